/** undici's way to tell of an answer, turned into ours. */
import type { Dispatcher } from 'undici'
import type { AnswerHandler } from './answer-handler.ts'

type RawHeaders = Dispatcher.DispatchController['rawHeaders']

/** On the wire they are bytes; undici declares more than it gives. */
const textsOf = (raw: RawHeaders): string[] =>
  Array.isArray(raw)
    ? raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
    : []

export const undiciHandler = (handler: AnswerHandler): Dispatcher.DispatchHandler => ({
  onRequestStart: (controller) => handler.onConnect((error) => controller.abort(error)),
  onResponseStart: (controller, status, _headers, statusText = '') => {
    const headers = textsOf(controller.rawHeaders)
    const wantsMore = handler.onHeaders(status, headers, () => controller.resume(), statusText)
    if (!wantsMore) controller.pause()
    // undici does not say when it has handed on all that it has read
    process.nextTick(() => handler.onIdle())
  },
  onResponseData: (controller, chunk) => {
    if (!handler.onData(chunk)) controller.pause()
  },
  onResponseEnd: (controller) => handler.onComplete(textsOf(controller.rawTrailers)),
  onResponseError: (_controller, error) => handler.onError(error),
})
