/**
 * What an upstream lets pages of other sites read (CORS, Fetch Standard). A browser gives a page an answer only where the
 * answer's own headers allow it, so an answer of the proxy needs the headers that the upstream's have. They are learned
 * by origin from the upstream's answers and never made up. Knows headers only.
 */
import type { IncomingMessage } from 'node:http'
import { LRUCache } from 'lru-cache'
import { isSuccess } from '../../core/http-status.ts'
import { eachHeader } from '../headers.ts'

/** `vary` because an answer that names one origin must not be cached for another. */
const LEARNED = new Set([
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-expose-headers',
  'cross-origin-resource-policy',
  'timing-allow-origin',
  'vary',
])

/** Origins that are remembered, each in some 2 KiB at most; a forgotten one costs a request to the upstream. */
const MAX_ENTRIES = 1_000
const MAX_KEY_CHARS = 512
const MAX_HEADER_CHARS = 1_024

type Request = Pick<IncomingMessage, 'method' | 'url' | 'headers'>

/** Answers about one kind of object share a policy: `/v1/responses/<id>` is of `/v1/responses`. */
const resourceOf = (url: string): string => {
  const [path = ''] = url.split('?', 1)
  return path.split('/', 3).join('/')
}

/** @returns null for a request of no page, and for a key of more than 512 characters */
const keyOf = ({ url = '', headers: { origin } }: Request, upstream: string | null) => {
  if (origin === undefined) return null
  const key = JSON.stringify([upstream, resourceOf(url), origin])
  return key.length <= MAX_KEY_CHARS ? key : null
}

/** @param raw flat list @returns those of them that concern pages; null where they are too long to be kept */
const pageHeadersIn = (raw: readonly string[]): string[] | null => {
  const found: string[] = []
  eachHeader(raw, (name, value) => {
    if (LEARNED.has(name.toLowerCase())) found.push(name, value)
  })
  return found.join('').length <= MAX_HEADER_CHARS ? found : null
}

export class Pages {
  private readonly answers = new LRUCache<string, string[]>({ max: MAX_ENTRIES })
  /** of any upstream, with those of preflights */
  private readonly any = new LRUCache<string, string[]>({ max: MAX_ENTRIES })

  /**
   * Takes the head of an upstream's answer. An error says nothing: gateways send theirs without such headers.
   * @param upstream that answered; null without an upstreams file
   * @param raw flat list
   */
  learn(request: Request, upstream: string | null, status: number, raw: readonly string[]): void {
    const key = keyOf(request, upstream)
    const anyKey = keyOf(request, null)
    const headers = key === null || !isSuccess(status) ? null : pageHeadersIn(raw)
    if (key === null || anyKey === null || headers === null) return
    if (request.method === 'OPTIONS') {
      if (!this.any.has(anyKey)) this.any.set(anyKey, headers)
      return
    }
    this.any.set(anyKey, headers)
    this.answers.set(key, headers)
  }

  /**
   * The headers that an answer in the upstream's place needs, as a flat list; none for a request of no page.
   * @returns null where no answer of the upstream to a page of this origin is known
   */
  ofAnswer(request: Request, upstream: string | null): string[] | null {
    if (request.headers.origin === undefined) return []
    const key = keyOf(request, upstream)
    return (key !== null && this.answers.get(key)) || null
  }

  /** The headers of an answer that is the proxy's own, such as an error; none where nothing is known. */
  ofOwn(request: Request): string[] {
    const key = keyOf(request, null)
    return (key !== null && this.any.get(key)) || []
  }
}
