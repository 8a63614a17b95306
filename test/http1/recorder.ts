/** Asks by the client under test, and keeps what is heard of the answer. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import type { AnswerHandler } from '../../src/http1/answer-handler.ts'
import type { Http1Client } from '../../src/http1/client.ts'

/** Keeps what it hears. Its promises resolve when what they are named after has happened. */
export class Recorder implements AnswerHandler {
  /** the names of what was called, in order */
  readonly calls: string[] = []
  readonly interims: [status: number, headers: string[]][] = []
  status = 0
  statusText = ''
  headers: string[] = []
  body = ''
  trailers: string[] = []
  error: (Error & { code?: string }) | null = null
  abort: (error: Error) => void = () => {}
  resume: () => void = () => {}
  /** whether more is wanted after a head or a piece */
  wantsMore = true
  /** called with every event, at its time */
  heard: (call: string) => void = () => {}
  readonly over: Promise<void>
  readonly begun: Promise<void>
  private isOver = (): void => {}
  private isBegun = (): void => {}

  constructor() {
    this.over = new Promise((resolve) => (this.isOver = resolve))
    this.begun = new Promise((resolve) => (this.isBegun = resolve))
  }

  onConnect(abort: (error: Error) => void): void {
    this.abort = abort
    this.hear('connect')
  }

  onHeaders(status: number, headers: string[], resume: () => void, statusText: string): boolean {
    if (status < 200) {
      this.interims.push([status, headers])
      this.hear('interim')
      return true
    }
    Object.assign(this, { status, headers, resume, statusText })
    this.isBegun()
    this.hear('headers')
    return this.wantsMore
  }

  onData(chunk: Buffer): boolean {
    this.body += chunk.toString('latin1')
    this.hear('data')
    return this.wantsMore
  }

  onIdle(): void {
    this.heard('idle')
  }

  onComplete(trailers: string[]): void {
    this.trailers = trailers
    this.hear('complete')
    this.isOver()
  }

  onError(error: Error): void {
    this.error = error
    this.hear('error')
    this.isOver()
  }

  private hear(call: string): void {
    if (call !== 'data' || this.calls.at(-1) !== 'data') this.calls.push(call)
    this.heard(call)
  }
}

export const BODY = Buffer.from('{"a":1}')

export const dispatch = (client: Http1Client, body = BODY): Recorder => {
  const recorder = new Recorder()
  client.dispatch(client.headOf('/v1/x?y', ['X-A', '1', 'x-a', '2']), body, recorder)
  return recorder
}

/** Resolves when the exchange is over. */
export const ask = async (client: Http1Client, body = BODY): Promise<Recorder> => {
  const recorder = dispatch(client, body)
  await recorder.over
  return recorder
}

/** Lets everything happen that only waits for its turn. */
export const settle = (): Promise<void> => delay(30)

export const until = async (isSo: () => boolean): Promise<void> => {
  for (let i = 0; i < 400 && !isSo(); i++) await delay(5)
  expect(isSo()).toBe(true)
}
