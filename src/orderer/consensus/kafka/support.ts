/** A channel as the processing of its topic sees it. */
import * as Either from "effect/Either"
import { messageSize } from "../../blockcutter/BlockCutter.js"
import { ordererOf } from "../../msgprocessor/filters.js"
import { classify, type Message, readMessage } from "../../msgprocessor/Message.js"
import type { ConsenterSupport } from "../Chain.js"
import type { KafkaSupport } from "./process.js"

export const kafkaSupport = ({
  bundle,
  processor
}: Pick<ConsenterSupport, "bundle" | "processor">): KafkaSupport<Message> => ({
  sequence: () => bundle().sequence,
  resubmission: () => ordererOf(bundle()).capabilities.resubmission,
  limits: () => ordererOf(bundle()).batchSize,
  decode: readMessage,
  size: messageSize,
  classify: ({ channelHeader }) => Either.right(classify(channelHeader.type)),
  processNormal: (message) => Either.mapLeft(processor.processNormal(message), ({ detail }) => detail),
  processConfig: (message) =>
    Either.gen(function* () {
      const made = yield* Either.mapLeft(processor.processConfig(message), ({ detail }) => detail)
      return { config: yield* readMessage(made.message.canonical), sequence: made.sequence }
    })
})
