/**
 * Spans on their way to a collector, over OTLP/HTTP. Loaded only where a collector is configured. A
 * collector that is slow or away costs spans, never requests: what does not fit the queue is dropped.
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context } from '@opentelemetry/api'
import { ExportResultCode, parseTraceParent } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base'
import type { CapturedExchange } from '../core/log/exchange-batch.ts'
import { readAnswer, type ReadAnswer } from '../openai/read-answer.ts'
import { chatSpan, type ChatSpan } from './chat-span.ts'

export interface TracingOptions {
  /** base URL of the collector; spans go to `/v1/traces` there */
  endpoint: string
  serviceName: string
  upstreamBaseUrl: string
  /** of a decoded answer; a larger one has no figures */
  maxAnswerBytes: number
  /** spans that did not get to the collector, and a provider that cannot be closed */
  onFault: (error: unknown) => void
}

export interface Tracing {
  /** @param traceparent the request's header, whose span becomes the parent */
  trace(exchange: CapturedExchange, traceparent: unknown): void
  /** Sends what waits, for some seconds at most. */
  close(): Promise<void>
}

/** a span takes some two kilobytes */
const MAX_QUEUED_SPANS = 2048
const MAX_BATCH_SPANS = 256
const EVERY_MS = 1000
const TIMEOUT_MS = 5000
const MAX_ATTRIBUTE_CHARS = 256

/** The SDK itself only hands a failure to a handler that all of a process shares. */
const reporting = (exporter: SpanExporter, onFault: (error: unknown) => void): SpanExporter => ({
  export: (spans, done) =>
    exporter.export(spans, (result) => {
      if (result.code === ExportResultCode.FAILED) onFault(result.error)
      done(result)
    }),
  forceFlush: async () => exporter.forceFlush?.(),
  shutdown: () => exporter.shutdown(),
})

const createProvider = (options: TracingOptions): BasicTracerProvider => {
  const { endpoint, serviceName, onFault } = options
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: TIMEOUT_MS,
  })
  const processor = new BatchSpanProcessor(reporting(exporter, onFault), {
    maxQueueSize: MAX_QUEUED_SPANS,
    maxExportBatchSize: MAX_BATCH_SPANS,
    scheduledDelayMillis: EVERY_MS,
    exportTimeoutMillis: TIMEOUT_MS,
  })
  return new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName }),
    spanProcessors: [processor],
    generalLimits: { attributeValueLengthLimit: MAX_ATTRIBUTE_CHARS },
  })
}

const parentOf = (traceparent: unknown): Context => {
  const parent = typeof traceparent === 'string' ? parseTraceParent(traceparent) : null
  return parent === null
    ? ROOT_CONTEXT
    : trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true })
}

const addressOf = (baseUrl: string): { address: string; port: number } => {
  const { hostname, port, protocol } = new URL(baseUrl)
  return { address: hostname, port: Number(port) || (protocol === 'https:' ? 443 : 80) }
}

const readExchange = (
  { form, answer }: CapturedExchange,
  maxBytes: number
): ReadAnswer | Promise<ReadAnswer> => {
  const body = answer === null ? null : Buffer.concat(answer)
  return form.kind === 'read'
    ? { response: body, usage: form.usage }
    : readAnswer(body, form, maxBytes)
}

/** Each answer is read here once more, which takes as long as the store takes for it. */
export const startTracing = (options: TracingOptions): Tracing => {
  const provider = createProvider(options)
  const tracer = provider.getTracer('promptintern-proxy')
  const upstream = addressOf(options.upstreamBaseUrl)
  const report = ({ name, attributes, startMs, endMs, errorType }: ChatSpan, parent: Context) => {
    const span = tracer.startSpan(
      name,
      { kind: SpanKind.CLIENT, startTime: startMs, attributes },
      parent
    )
    if (errorType !== null) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end(endMs)
  }
  return {
    trace: (exchange, traceparent) => {
      const send = (answer: ReadAnswer): void =>
        report(chatSpan(exchange, answer, upstream), parentOf(traceparent))
      const answer = readExchange(exchange, options.maxAnswerBytes)
      if (answer instanceof Promise) answer.then(send).catch(options.onFault)
      else send(answer)
    },
    // a collector that is away must not fail the end of the process
    close: () => provider.shutdown().catch(options.onFault),
  }
}
