/**
 * Values of OTLP in JSON, as plain values. Defined by open-telemetry/opentelemetry-proto
 * (`opentelemetry/proto/common/v1/common.proto`, `AnyValue`) and the specification of OTLP, "JSON Protobuf Encoding":
 * lowerCamelCase names, and 64 bit numbers as decimal texts.
 */
import { isObject, objectsIn, textOf, type Fields } from './fields.ts'

const valueOf = (value: unknown): unknown => {
  if (!isObject(value)) return null
  const { stringValue, intValue, doubleValue, boolValue, arrayValue, kvlistValue } = value
  if (intValue !== undefined) return Number(textOf(intValue))
  if (isObject(arrayValue)) return objectsIn(arrayValue['values']).map(valueOf)
  if (isObject(kvlistValue)) return attributesOf(kvlistValue['values'])
  return stringValue ?? doubleValue ?? boolValue ?? null
}

/** Attributes of a span, an event or a nested value, by key. */
export const attributesOf = (list: unknown): Fields =>
  Object.fromEntries(objectsIn(list).map(({ key, value }) => [textOf(key), valueOf(value)]))

/** All spans of an export, which a file has one of on each line. */
export const spansOf = (resourceSpans: unknown): Fields[] =>
  objectsIn(resourceSpans)
    .flatMap(({ scopeSpans }) => objectsIn(scopeSpans))
    .flatMap(({ spans }) => objectsIn(spans))
