/** What can go wrong with an exchange that Node itself has no error for. */

export type Http1ErrorCode =
  /** the request has something in it that cannot be put on the wire */
  | 'unsendable'
  | 'connect-timeout'
  /** the upstream was silent for too long */
  | 'answer-timeout'
  /** what came is no HTTP/1.1 answer, or one that two readers could read in two ways */
  | 'invalid-answer'
  /** the connection ended before the answer did */
  | 'answer-cut-off'
  | 'client-closed'

export class Http1Error extends Error {
  readonly code: Http1ErrorCode

  constructor(code: Http1ErrorCode, message: string) {
    super(message)
    this.name = 'Http1Error'
    this.code = code
  }
}

export const invalidAnswer = (why: string): Http1Error =>
  new Http1Error('invalid-answer', `the answer is no HTTP/1.1: ${why}`)
