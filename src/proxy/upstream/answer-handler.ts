/**
 * Who an answer is told to while it comes, in the order of the declarations. Header lists are flat
 * (`[name, value, name, value, …]`), in latin1, with order, case and duplicates as they were sent.
 */
export interface AnswerHandler {
  /**
   * A connection stands, and the request is about to be written: from now on the upstream may see it.
   * @param abort ends the exchange: `onError` gets the error at once, and nothing follows. Does nothing
   * when the exchange is over
   */
  onConnect(abort: (error: Error) => void): void
  /**
   * The head of the answer, or of an interim one (status below 200).
   * @returns false when nothing more is to come until `resume`; not heeded for interim ones
   */
  onHeaders(status: number, headers: string[], resume: () => void, statusText: string): boolean
  /** @returns false when nothing more is to come until `resume` */
  onData(chunk: Buffer): boolean
  /** All that has come was handed on, and the answer is not over. */
  onIdle(): void
  onComplete(trailers: string[]): void
  /** Nothing follows. Without `onConnect` before it, nothing was sent. */
  onError(error: Error): void
}
