/** Aborts on SIGTERM and SIGINT. */
export const stopSignal = (): AbortSignal => {
  const controller = new AbortController()
  process.once('SIGTERM', () => controller.abort())
  process.once('SIGINT', () => controller.abort())
  return controller.signal
}
