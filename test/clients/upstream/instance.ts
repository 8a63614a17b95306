/** A value that a JSON schema allows: what a model answers in the mock when it must keep to one. */

type Schema = Record<string, unknown>

const resolve = (root: Schema, reference: string): Schema =>
  reference
    .replace(/^#\/?/, '')
    .split('/')
    .filter(Boolean)
    .reduce((value, key) => value[key] as Schema, root)

const objectOf = ({ properties = {} }: Schema, root: Schema): unknown =>
  Object.fromEntries(
    Object.entries(properties as Record<string, Schema>).map(([name, property]) => [
      name,
      instanceOf(property, root),
    ])
  )

export const instanceOf = (schema: Schema, root: Schema = schema): unknown => {
  const { $ref, anyOf, type } = schema
  if (typeof $ref === 'string') return instanceOf(resolve(root, $ref), root)
  if (Array.isArray(anyOf)) return instanceOf(anyOf[0] as Schema, root)
  if (Array.isArray(schema.enum)) return schema.enum[0]
  if ('const' in schema) return schema.const
  switch (Array.isArray(type) ? type[0] : type) {
    case 'object':
      return objectOf(schema, root)
    case 'array':
      return [instanceOf(schema.items as Schema, root)]
    case 'integer':
    case 'number':
      return 7
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      return 'Zürich – 苏黎世'
  }
}
