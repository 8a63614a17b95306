/** Bodies of chat completions that are made to keep a process busy. */

const PROMPT = 'Sort the question.'

const opening = (query: string): string =>
  `{"model":"routed","stream":true,"max_tokens":5,"messages":[{"role":"system","content":"${PROMPT}"},` +
  `{"role":"user","content":"${query}`

/** A chat request with a member more, which is as long as there is room for. */
const withMember = (bytes: number, name: string, fill: (room: number) => string): string => {
  const head = `${opening('hi')}"}],"${name}":`
  return `${head}${fill(bytes - head.length - 1)}}`
}

const repeated = (unit: string, bytes: number): string =>
  unit.repeat(Math.floor(bytes / unit.length))

const between = (open: string, unit: string, close: string) => (room: number) =>
  open + repeated(unit, room - open.length - close.length) + close

const nested = (room: number): string =>
  `${'['.repeat(Math.floor(room / 2))}${']'.repeat(Math.floor(room / 2))}`

const manyNames = (room: number): string => {
  const members: string[] = []
  for (let at = 0, used = 16; used < room - 16; at++) {
    members.push(`"n${at}":1`)
    used += members.at(-1)!.length + 1
  }
  return `{${members.join(',')}}`
}

const manyMessages = (bytes: number): string =>
  `{"model":"routed","messages":[${repeated('{"role":"user","content":"a"},', bytes - 100)}{"role":"user","content":"a"}]}`

const manyParts = (bytes: number): string =>
  `{"model":"routed","messages":[{"role":"user","content":[${repeated('{"type":"text","text":"a"},', bytes - 100)}{"type":"text","text":"a"}]}]}`

/** A call in the history of a chat. @param args text of its arguments, as in a JSON string */
const withCall = (bytes: number, args: (room: number) => string): string => {
  const head = `${opening('hi')}"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"`
  const tail = '"}}]},{"role":"tool","tool_call_id":"c","content":"1"}]}'
  return head + args(bytes - head.length - tail.length) + tail
}

const responseWith = (items: string): string =>
  `{"model":"routed","instructions":"${PROMPT}","input":[{"role":"user","content":"hi"},${items}]}`

const callItem = (args: string): string =>
  `{"type":"function_call","call_id":"c","name":"f","arguments":"${args}"}`

/** A call in the history of a response, which is read by `/v1/responses`. */
const withCallItem = (bytes: number, args: (room: number) => string): string =>
  responseWith(callItem(args(bytes - responseWith(callItem('')).length)))

/** A number that no double holds. */
const zeros = between('{\\"a\\":1', '0', '1}')
/** A string that is never closed. */
const openEscapes = between('{\\"a\\":\\"', '\\\\', '')

/** Name → the body of so many bytes at most. */
export const SHAPES: Record<string, (bytes: number) => Buffer> = Object.fromEntries(
  Object.entries<(bytes: number) => string>({
    lists_in_lists: (bytes) => '['.repeat(bytes),
    objects_in_objects: (bytes) => repeated('{"a":', bytes),
    lists_in_lists_that_end: (bytes) => withMember(bytes, 'x', nested),
    tools_nested: (bytes) => withMember(bytes, 'tools', nested),
    many_names: (bytes) => withMember(bytes, 'x', manyNames),
    one_name_repeated: (bytes) => withMember(bytes, 'x', between('{', '"a":1,', '"a":1}')),
    empty_objects: (bytes) => withMember(bytes, 'x', between('[', '{},', '{}]')),
    one_string: (bytes) => withMember(bytes, 'x', between('"', 'a', '"')),
    escapes: (bytes) => withMember(bytes, 'x', between('"', '\\u0041', '"')),
    escaped_quotes: (bytes) => withMember(bytes, 'x', between('"', '\\"', '"')),
    sparse_quotes: (bytes) => withMember(bytes, 'x', between('"', `${'a'.repeat(62)}\\"`, '"')),
    strings_of_300: (bytes) => withMember(bytes, 'x', between('[', `"${'a'.repeat(300)}",`, '1]')),
    strings_of_1100: (bytes) =>
      withMember(bytes, 'x', between('[', `"${'a'.repeat(1100)}",`, '1]')),
    one_number: (bytes) => withMember(bytes, 'x', between('', '1', '')),
    many_messages: manyMessages,
    many_parts: manyParts,
    call_with_zeros: (bytes) => withCall(bytes, zeros),
    call_with_escapes: (bytes) => withCall(bytes, openEscapes),
    response_call_with_zeros: (bytes) => withCallItem(bytes, zeros),
    response_call_with_escapes: (bytes) => withCallItem(bytes, openEscapes),
    response_with_many_calls: (bytes) =>
      responseWith(`${repeated(`${callItem('{}')},`, bytes - 400)}${callItem('{}')}`),
    template_opening: (bytes) => `${opening('q'.repeat(bytes - 200))}"}]}`,
  }).map(([name, make]) => [name, (bytes) => Buffer.from(make(bytes))])
)

SHAPES['no_utf8'] = (bytes) => {
  const body = SHAPES['one_string']!(bytes)
  return body.fill(0xff, 300, body.length - 10)
}

/** The largest body that is read whole, of the shapes that a parser is slowest with. */
export const SMALL_SHAPES = [
  'empty_objects',
  'many_names',
  'many_messages',
  'escaped_quotes',
  'call_with_zeros',
  'call_with_escapes',
  'response_call_with_zeros',
  'response_call_with_escapes',
  'response_with_many_calls',
]

/** The endpoint that reads a shape. */
export const pathOf = (shape: string): string =>
  shape.startsWith('response_') ? '/v1/responses' : '/v1/chat/completions'

export { PROMPT }
