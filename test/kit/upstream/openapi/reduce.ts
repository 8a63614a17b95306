/**
 * Reduces the API's published document to the schemas of answers that are given here, without prose and closed: an
 * answer has no members that the document does not name. `tsx test/kit/upstream/openapi/reduce.ts openapi.json`, with the file of github.com/openai/openai-openapi.
 */
import { readFileSync, writeFileSync } from 'node:fs'

const ROOTS = [
  'CreateChatCompletionResponse',
  'CreateChatCompletionStreamResponse',
  'Response',
  'ResponseStreamEvent',
  'ErrorResponse',
]
/** They check nothing, or nothing that JSON Schema knows. */
const PROSE = /^(?:description|examples?|title|default|deprecated|discriminator|x-.*)$/u
/** Choices that are no answers of a route: what runs at the provider, and media. */
const NOT_GIVEN =
  /FileSearch|CodeInterpreter|Computer|Image|MCP|Shell|ApplyPatch|WebSearch|ToolSearch|Program|Namespace|Audio|AdditionalTools|Compaction/u
/** Its members are names of the API, not keywords. */
const NAMES = 'properties'

type Json = Record<string, unknown>

/** What answers in the document's own examples have, and its schema of a response does not. */
const OF_EXAMPLES = {
  properties: {
    usage: { anyOf: [{ $ref: '#/components/schemas/ResponseUsage' }, { type: 'null' }] },
    user: { type: ['string', 'null'] },
    store: { type: 'boolean' },
    frequency_penalty: { type: 'number' },
    presence_penalty: { type: 'number' },
  },
}

const withoutProse = (value: unknown, areNames = false): unknown => {
  if (Array.isArray(value))
    return value
      .filter((one: Json | null) => !NOT_GIVEN.test(String(one?.['$ref'])))
      .map((one) => withoutProse(one))
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([name]) => areNames || !PROSE.test(name))
  return withNull(
    Object.fromEntries(
      kept.map(([name, one]) => [name, withoutProse(one, !areNames && name === NAMES)])
    )
  )
}

/** A word of OpenAPI 3.0, which the document still has in places. */
const withNull = ({ nullable, ...schema }: Json): Json =>
  nullable === true ? { anyOf: [schema, { type: 'null' }] } : schema

const namesIn = (schema: unknown): string[] =>
  [...JSON.stringify(schema).matchAll(/"#\/components\/schemas\/([^"]+)"/gu)].map(
    ([, name]) => name!
  )

/** Schemas that others take in: what is beyond their members is for those to say. */
const partsIn = (schema: unknown): string[] => {
  if (typeof schema !== 'object' || schema === null) return []
  const own =
    'allOf' in schema ? namesIn((schema.allOf as Json[]).map(({ $ref }) => ({ $ref }))) : []
  return [...own, ...Object.values(schema).flatMap(partsIn)]
}

const closed = (schema: unknown, isPart: boolean): unknown => {
  if (Array.isArray(schema)) return schema.map((one) => closed(one, false))
  if (typeof schema !== 'object' || schema === null) return schema
  const given = schema as Json
  const members = Object.entries(given).map(([name, one]) => [
    name,
    name === 'allOf' ? (one as unknown[]).map((part) => closed(part, true)) : closed(one, false),
  ])
  const isClosed =
    !isPart && ('properties' in given || 'allOf' in given) && !('additionalProperties' in given)
  return Object.fromEntries([...members, ...(isClosed ? [['unevaluatedProperties', false]] : [])])
}

const path = process.argv[2]
if (path === undefined) throw new Error('which document?')
const { info, components } = JSON.parse(readFileSync(path, 'utf8')) as {
  info: Json
  components: { schemas: Json }
}
const schemas: Json = {}
const waiting = [...ROOTS]
for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
  if (name in schemas) continue
  schemas[name] = withoutProse(components.schemas[name])
  waiting.push(...namesIn(schemas[name]))
}
const response = schemas['Response'] as { allOf: Json[] }
for (const { properties } of [schemas['ModelResponseProperties'] as Json, ...response.allOf])
  for (const name of Object.keys(OF_EXAMPLES.properties))
    delete (properties as Json | undefined)?.[name]
response.allOf.push(OF_EXAMPLES)
const parts = new Set(Object.values(schemas).flatMap(partsIn))
const lines = Object.entries(schemas)
  .toSorted(([a], [b]) => (a < b ? -1 : 1))
  .map(([name, schema]) => `"${name}":${JSON.stringify(closed(schema, parts.has(name)))}`)
const about = JSON.stringify({ version: info['version'], license: info['license'] })
writeFileSync(
  new URL('published.json', import.meta.url),
  `{"$id":"openapi.json","info":${about},"components":{"schemas":{\n${lines.join(',\n')}\n}}}\n`
)
