/**
 * A peer as one Layer: every startup stage a line, read upwards. The last line is acquired first and released last.
 * Source: peer-endorse-validate.md 1.2; design.md sections 1 and 3; ARCHITECTURE.md lists the same stages.
 */
import * as Layer from "effect/Layer"
import type { CoreConfig } from "../config/index.js"
import type { StageFailed } from "../runtime/Stage.js"
import * as Vital from "../runtime/Vital.js"
import { PeerConfig } from "./PeerConfig.js"
import * as AccessControl from "./stages/AccessControl.js"
import * as Addresses from "./stages/Addresses.js"
import * as AdminService from "./stages/AdminService.js"
import * as CertificateMonitor from "./stages/CertificateMonitor.js"
import * as CertificateReload from "./stages/CertificateReload.js"
import * as ChaincodeLifecycle from "./stages/ChaincodeLifecycle.js"
import * as ChaincodeRuntime from "./stages/ChaincodeRuntime.js"
import * as ChaincodeServer from "./stages/ChaincodeServer.js"
import * as ChaincodeSupport from "./stages/ChaincodeSupport.js"
import * as Channels from "./stages/Channels.js"
import * as Credentials from "./stages/Credentials.js"
import * as DeliverEvents from "./stages/DeliverEvents.js"
import * as DeploySystemChaincodes from "./stages/DeploySystemChaincodes.js"
import * as Discovery from "./stages/Discovery.js"
import * as EndorserStage from "./stages/EndorserStage.js"
import * as Explain from "./stages/Explain.js"
import * as Gossip from "./stages/Gossip.js"
import * as GossipChaincodes from "./stages/GossipChaincodes.js"
import * as Handlers from "./stages/Handlers.js"
import * as Identity from "./stages/Identity.js"
import * as LedgerRebuild from "./stages/LedgerRebuild.js"
import * as Ledgers from "./stages/Ledgers.js"
import * as OpenChannels from "./stages/OpenChannels.js"
import * as Operations from "./stages/Operations.js"
import * as Orderers from "./stages/Orderers.js"
import * as Packages from "./stages/Packages.js"
import * as PeerServer from "./stages/PeerServer.js"
import * as Profiling from "./stages/Profiling.js"
import * as ServerSettings from "./stages/ServerSettings.js"
import * as Serving from "./stages/Serving.js"
import * as SystemChaincodes from "./stages/SystemChaincodes.js"

/** Who this peer is, where its ledgers lie, how it is reached: nothing is served yet, the ports are bound. */
const Foundation = CertificateReload.layer.pipe(
  Layer.provideMerge(Credentials.layer),
  Layer.provideMerge(PeerServer.layer),
  Layer.provideMerge(ServerSettings.layer),
  Layer.provideMerge(Addresses.layer),
  Layer.provideMerge(Ledgers.layer),
  Layer.provideMerge(Explain.pageLayer),
  Layer.provideMerge(AccessControl.layer),
  Layer.provideMerge(Explain.layer),
  Layer.provideMerge(Operations.layer),
  Layer.provideMerge(Identity.layer)
)

/** What channels need to live, and chaincode to run; chaincode may register already. */
const Engine = EndorserStage.layer.pipe(
  Layer.provideMerge(LedgerRebuild.layer),
  Layer.provideMerge(AdminService.layer),
  Layer.provideMerge(ChaincodeSupport.layer),
  Layer.provideMerge(ChaincodeServer.layer),
  Layer.provideMerge(ChaincodeRuntime.layer),
  Layer.provideMerge(SystemChaincodes.layer),
  Layer.provideMerge(DeliverEvents.layer),
  Layer.provideMerge(Channels.layer),
  Layer.provideMerge(Gossip.layer),
  Layer.provideMerge(Packages.layer),
  Layer.provideMerge(Orderers.layer),
  Layer.provideMerge(Handlers.layer)
)

/** The channels are opened, then the door. */
const Doors = Serving.layer.pipe(
  Layer.provideMerge(Profiling.layer),
  Layer.provideMerge(Discovery.layer),
  Layer.provideMerge(OpenChannels.layer),
  Layer.provideMerge(GossipChaincodes.layer),
  Layer.provideMerge(ChaincodeLifecycle.layer),
  Layer.provideMerge(DeploySystemChaincodes.layer),
  Layer.provideMerge(CertificateMonitor.layer)
)

/** Everything above the ground: configuration, log and vital loops come from the program or the test. */
export const PeerProgram = Doors.pipe(Layer.provideMerge(Engine), Layer.provideMerge(Foundation))

/** A whole peer for a configuration: what tests and embedded networks build, each in a build of its own. */
export const layer = (config: CoreConfig): Layer.Layer<Layer.Layer.Success<typeof PeerProgram>, StageFailed> =>
  PeerProgram.pipe(Layer.provide(Layer.merge(Layer.succeed(PeerConfig, config), Vital.layer)))
