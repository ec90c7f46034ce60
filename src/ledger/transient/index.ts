/** Private data on its way to a block. */
export * from "./TransientStore.js"
