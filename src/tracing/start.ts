/**
 * Sends spans to a collector over OTLP/HTTP. Loaded only when a collector is configured. If the
 * collector is slow or down, spans beyond the queue's size are dropped and no request waits.
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context } from '@opentelemetry/api'
import { ExportResultCode, parseTraceParent } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base'
import type { CapturedExchange } from '../core/log/exchange-batch.ts'
import { dialectOfRecord } from '../openai/dialect.ts'
import { readAnswer, type ReadAnswer } from '../openai/read-answer.ts'
import { chatSpan, type ChatSpan } from './chat-span.ts'

export interface TracingOptions {
  /** base URL of the collector; spans go to `/v1/traces` there */
  endpoint: string
  upstreamBaseUrl: string
  /** of a decoded answer; the span of a larger one has no token counts */
  maxAnswerBytes: number
  /** receives failed exports and a failed shutdown */
  onFault: (error: unknown) => void
}

export type Tracing = ReturnType<typeof startTracing>

/** a span takes some two kilobytes */
const MAX_QUEUED_SPANS = 2048
const MAX_BATCH_SPANS = 256
const EVERY_MS = 1000
const TIMEOUT_MS = 5000
const MAX_ATTRIBUTE_CHARS = 256

/** Reports failed exports: the SDK reports them only to a handler that is global to the process. */
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
  const { endpoint, onFault } = options
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
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say more
    resource: resourceFromAttributes({ 'service.name': 'promptintern-proxy' }).merge(
      detectResources({ detectors: [envDetector] })
    ),
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

/** Reads each answer a second time, which takes as long as in the store. */
export const startTracing = (options: TracingOptions) => {
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
    /** @param traceparent header of the request; its span becomes the parent */
    trace: (exchange: CapturedExchange, traceparent: unknown): void => {
      const send = (answer: ReadAnswer): void =>
        report(chatSpan(exchange, answer, upstream), parentOf(traceparent))
      const body = exchange.answer && Buffer.concat(exchange.answer)
      const answer = readAnswer(body, exchange.form, {
        dialect: dialectOfRecord(exchange.head),
        maxBytes: options.maxAnswerBytes,
      })
      if (answer instanceof Promise) answer.then(send).catch(options.onFault)
      else send(answer)
    },
    /** Sends the waiting spans, within some seconds. A collector that is down must not fail the shutdown. */
    close: (): Promise<void> => provider.shutdown().catch(options.onFault),
  }
}
