/** What the fuzzer sends. A case has all that it takes to send it again. */
import { Dice } from './dice.ts'
import { broken } from './broken-bytes.ts'
import { MUTATIONS, type Expectation } from './mutations.ts'
import { requestOf, type ChatBody } from './orders.ts'
import { responsesBody } from './responses-body.ts'

export interface Case {
  /** of which it is made */
  seed: number
  name: string
  method: string
  path: string
  headers: Record<string, string>
  body: Buffer
  /** bytes for a connection of its own, in place of a request */
  raw: Buffer | null
  expects: Expectation
}

export const CHAT_PATH = '/v1/chat/completions'
const RESPONSES_PATH = '/v1/responses'
/** The route's caller. */
export const AUTHORIZATION = 'Bearer sk-of-the-route'
const STRANGER = 'Bearer sk-of-a-stranger'
/** Tells the upstream which answer it gives. */
export const ANSWER_HEADER = 'x-fuzz-answer'

const post = (
  seed: number,
  name: string,
  path: string,
  body: Buffer | string,
  expects: Expectation,
  headers: Record<string, string> = {}
): Case => ({
  seed,
  name,
  method: 'POST',
  path,
  headers: { 'content-type': 'application/json', authorization: AUTHORIZATION, ...headers },
  body: Buffer.from(body),
  raw: null,
  expects,
})

/** A header or a parameter of the address that the proof did not have (docs/parameters.md). */
const AROUND: [name: string, path: string, headers: Record<string, string>][] = [
  ['a parameter of the address', '?provider=other', {}],
  ['a version in the address', '?api-version=2030-01-01', {}],
  ['a header that asks another host', '', { 'helicone-target-url': 'https://other.example' }],
  ['a header that switches to a beta', '', { 'openai-beta': 'other=v2' }],
  ['a header of an unknown name', '', { 'x-unknown': '1' }],
  ['a type that is no JSON', '', { 'content-type': 'text/plain' }],
  ['another character set', '', { 'content-type': 'application/json; charset=utf-7' }],
  ['an encoding that the body does not have', '', { 'content-encoding': 'gzip' }],
]

/** The lora's own request, with another one around it or with bytes that are no text in it. */
const surrounded = (seed: number, dice: Dice, path: string, body: string): Case => {
  if (dice.chance(0.1)) {
    const at = body.lastIndexOf('please')
    const bytes = [Buffer.from(body.slice(0, at)), Buffer.from([0xff]), Buffer.from(body.slice(at))]
    return post(seed, 'bytes that are no text', path, Buffer.concat(bytes), 'upstream')
  }
  const [name, query, headers] = dice.pick(AROUND)
  return post(seed, name, path + query, body, 'upstream', headers)
}

/** The lora's own requests, as they are and changed. */
const routed = (seed: number, dice: Dice): Case => {
  const request = requestOf(dice)
  const isResponses = dice.chance(0.25)
  const path = isResponses ? RESPONSES_PATH : CHAT_PATH
  const text = (body: ChatBody): string => JSON.stringify(isResponses ? responsesBody(body) : body)
  if (dice.chance(0.2))
    return post(
      seed,
      'as the application sends it',
      path,
      text(request),
      isResponses ? 'any' : 'lora'
    )
  if (dice.chance(0.1)) return surrounded(seed, dice, path, text(request))
  const { name, change, expects } = dice.pick(MUTATIONS)
  const changed = change(request, dice)
  if (typeof changed === 'string') return post(seed, name, CHAT_PATH, changed, expects)
  // the Responses API takes an empty list of tools
  const { tools } = changed
  if (isResponses && Array.isArray(tools) && tools.length === 0)
    return post(seed, name, path, text(changed), 'any')
  return post(seed, name, path, text(changed), expects)
}

/** The lora's own requests with other bytes at some places. Their meaning is not known, so each must only be answered. */
const damaged = (seed: number, dice: Dice): Case => {
  const bytes = broken(Buffer.from(JSON.stringify(requestOf(dice))), dice)
  return post(seed, 'damaged bytes', dice.pick([CHAT_PATH, RESPONSES_PATH]), bytes, 'any')
}

const REPEATED = [
  '[',
  '{"a":',
  '{},',
  '"\\u0040",',
  '\\',
  '"\\"",',
  '1e999,',
  '-',
  '\n',
  '\u0000',
  '\ud800',
  'ä',
  '[[]],',
  'null,',
]

/** Much of one piece, at the beginning or as a text within a request. */
const repeated = (seed: number, dice: Dice): Case => {
  const text = dice.pick(REPEATED).repeat(dice.size(200_000))
  const request = requestOf(dice)
  const isText = dice.chance(0.5)
  const at = dice.below(2)
  request.messages[at]!.content = text
  const body = isText ? JSON.stringify(request) : text
  return post(
    seed,
    `much of one piece${isText ? ' in a text' : ''}`,
    dice.pick([CHAT_PATH, RESPONSES_PATH]),
    body,
    isText && at === 0 ? 'upstream' : 'any'
  )
}

/** A request of another caller whose answer the upstream makes as badly as it can. */
const answered = (seed: number, dice: Dice): Case => {
  const isStream = dice.chance(0.6)
  const isResponses = dice.chance(0.3)
  const body = { ...requestOf(dice), stream: isStream }
  return post(
    seed,
    'a hostile answer',
    isResponses ? RESPONSES_PATH : CHAT_PATH,
    JSON.stringify(isResponses ? responsesBody(body) : body),
    'any',
    { authorization: STRANGER, [ANSWER_HEADER]: String(seed) }
  )
}

const headers = (seed: number, dice: Dice): Case => {
  const request = post(seed, 'hostile headers', CHAT_PATH, JSON.stringify(requestOf(dice)), 'any')
  const count = dice.size(60)
  for (let i = 0; i < count; i++) {
    const name = dice.pick([
      'x-a',
      'cookie',
      'x-promptintern-route',
      'x-promptintern-capture',
      'accept-encoding',
      'traceparent',
      'baggage',
      'x-request-id',
      'forwarded',
      'openai-organization',
    ])
    const value = dice.pick([
      '',
      'false',
      '\u00ff\u0080',
      '%00',
      'a,'.repeat(dice.size(2000)),
      '"',
      '; ='.repeat(dice.size(500)),
      '*',
    ])
    request.headers[`${name}${dice.chance(0.5) ? i : ''}`] = value
  }
  // a stranger's, so that no refusal of the caller's other requests follows from it
  return { ...request, headers: { ...request.headers, authorization: STRANGER } }
}

const feedback = (seed: number, dice: Dice): Case => {
  const body = {
    record: 'a'.repeat(dice.size(200)),
    rating: dice.pick(['good', 'bad', null, 7, [], 'constructor']),
    comment: '\u202e'.repeat(dice.size(3000)),
  }
  const bytes = Buffer.from(JSON.stringify(body))
  const authorization = dice.chance(0.5) ? AUTHORIZATION : `Bearer sk-made-up-${dice.below(10_000)}`
  return post(
    seed,
    'feedback',
    '/v1/promptintern/feedback',
    dice.chance(0.5) ? bytes : broken(bytes, dice),
    'any',
    { authorization }
  )
}

/** Uploads and other paths, which pass unread. */
const passage = (seed: number, dice: Dice): Case => {
  const path = dice.pick([
    '/v1/files',
    '/v1/embeddings',
    '/v1/models',
    '/v1/responses/resp_1',
    '/v1/responses/resp_1/cancel',
    '/',
    '//',
    '/v1/%2e%2e/admin',
    '/v1/chat/completions/',
    '/admin/api/records',
    '/admin/api/templates/%00',
    '/metrics',
    '/healthz',
    '/readyz',
    `/v1/${'a/'.repeat(dice.size(2000))}`,
    `/v1/x?${'a=%40&'.repeat(dice.size(500))}`,
  ])
  const method = dice.pick(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD'])
  const boundary = '----fuzz'
  const part = `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a\r\n\r\n`
  const body = broken(
    Buffer.from(part + 'x'.repeat(dice.size(100_000)) + `\r\n--${boundary}--`),
    dice
  )
  return {
    ...post(
      seed,
      `${method} ${path.slice(0, 40)}`,
      path,
      method === 'GET' || method === 'HEAD' ? '' : body,
      'any'
    ),
    method,
    headers: {
      authorization: STRANGER,
      'content-type': `multipart/form-data; boundary=${boundary}`,
    },
  }
}

const bytes = (seed: number, dice: Dice): Case => {
  const { body, headers: own } = routed(seed, dice)
  const head = [
    `POST ${CHAT_PATH} HTTP/1.1`,
    'host: a',
    `content-length: ${body.length}`,
    ...Object.entries(own).map(([name, value]) => `${name}: ${value}`),
  ]
  const whole = Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body])
  return { ...post(seed, 'raw bytes', CHAT_PATH, '', 'any'), raw: broken(whole, dice) }
}

/** Kinds of cases, each as often as it stands here. */
const KINDS = [
  routed,
  routed,
  routed,
  routed,
  routed,
  routed,
  damaged,
  damaged,
  repeated,
  answered,
  answered,
  answered,
  headers,
  feedback,
  passage,
  bytes,
]

export const caseOf = (seed: number): Case => {
  const dice = new Dice(seed)
  return dice.pick(KINDS)(seed, dice)
}
