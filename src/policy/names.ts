/** The standard policies' names and who asks for them (identity-policy-config rule 58). */
export const readers = "Readers"
export const writers = "Writers"
export const admins = "Admins"

/** Broadcast. */
export const channelWriters = "/Channel/Writers"
/** The orderer's Deliver. */
export const channelReaders = "/Channel/Readers"
/** Gossip's channel messages, the peer's Deliver. */
export const channelApplicationReaders = "/Channel/Application/Readers"
/** Discovery, proposals. */
export const channelApplicationWriters = "/Channel/Application/Writers"
export const channelApplicationAdmins = "/Channel/Application/Admins"
/** Block signatures. */
export const blockValidation = "/Channel/Orderer/BlockValidation"
/** Broadcast and Deliver in maintenance mode. */
export const channelOrdererAdmins = "/Channel/Orderer/Admins"
export const channelOrdererWriters = "/Channel/Orderer/Writers"
export const channelOrdererReaders = "/Channel/Orderer/Readers"
