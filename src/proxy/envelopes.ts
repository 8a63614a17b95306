/** Reads the envelopes of requests (`core/request/envelope.ts`): which parameters and headers count. */
import { envelopeText, PLAIN } from '../core/request/envelope.ts'
import type { Carrier, Credentials } from './access/credentials.ts'
import { remembered } from './access/remembered.ts'
import { eachHeader, HARMLESS, isForwarded, isForwardedWithKey } from './headers.ts'

/** They describe the connection, the client and the way of a request. */
const IRRELEVANT = new Set([
  ...HARMLESS,
  ...(
    'authority b3 baggage cdn-loop dnt forwarded from max-forwards newrelic origin priority referer save-data ' +
    'sentry-trace true-client-ip upgrade-insecure-requests via warning x-client-ip x-client-name ' +
    'x-client-version x-real-ip x-requested-with x-retry-count'
  ).split(' '),
])
const IRRELEVANT_PREFIX =
  /^(?:cf-(?!aig)|fly-|sec-|x-amzn-|x-azure-|x-b3-|x-cloud-|x-datadog-|x-envoy-|x-forwarded-|x-instana-|x-promptintern-|x-stainless-|x-vercel-)/
/** Another one with every request: traces, spans, ids of requests and correlations. */
const ID_OF_A_REQUEST = /(?:^|-)(?:trace|traceparent|tracestate|span|correlation|request)(?:-?id)?$/

const JSON_TYPE = /^application\/json(?:; *charset="?utf-8"?)?$/i

/** Of headers that every request has, the usual value. */
const isUsual = (name: string, value: string): boolean =>
  name === 'content-type'
    ? JSON_TYPE.test(value)
    : name === 'content-encoding' && value.toLowerCase() === 'identity'

/** It is asked for each header of each request. */
const MAX_REMEMBERED = 500
const MAX_REMEMBERED_CHARS = 64

export interface EnvelopeOptions {
  credentials: Pick<Credentials, 'isOne' | 'withoutParameters'>
  /** whether requests travel with a key of the operator, which few headers accompany (`headersForUpstream`) */
  hasOwnKey: boolean
  /** further names of headers that change no answer, in lower case (`IRRELEVANT_HEADERS`) */
  irrelevant: readonly string[]
}

/** @returns the text of a request's envelope; '' where nothing in it can change the answer */
export type EnvelopeOf = (carrier: Carrier) => string

export const createEnvelopes = ({
  credentials,
  hasOwnKey,
  irrelevant,
}: EnvelopeOptions): EnvelopeOf => {
  const configured = new Set(irrelevant)
  const counts = remembered(
    (name: string): boolean =>
      isForwarded(name) &&
      (!hasOwnKey || isForwardedWithKey(name)) &&
      !IRRELEVANT.has(name) &&
      !configured.has(name) &&
      !IRRELEVANT_PREFIX.test(name) &&
      !ID_OF_A_REQUEST.test(name) &&
      // a tenant has its own
      !credentials.isOne(name),
    { max: MAX_REMEMBERED, maxChars: MAX_REMEMBERED_CHARS }
  )
  return ({ rawHeaders, url = '' }) => {
    const headers: [string, string][] = []
    let hasType = false
    eachHeader(rawHeaders, (header, value) => {
      const name = header.toLowerCase()
      hasType ||= name === 'content-type'
      if (counts(name) && !isUsual(name, value)) headers.push([name, value])
    })
    // the API reads only what says that it is JSON
    if (!hasType) headers.push(['content-type', ''])
    const at = url.indexOf('?')
    const query = at < 0 ? '' : credentials.withoutParameters(url).slice(at)
    return headers.length === 0 && query === '' ? PLAIN : envelopeText({ query, headers })
  }
}
