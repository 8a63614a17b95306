/**
 * Configuration from environment variables: pure, every mistake reported at once. Every key has a
 * row in docs/configuration.md (a test holds the two together).
 */
import { z } from 'zod'
import { baseUrlSchema } from './base-url.ts'
import type { CaptureRule } from '../core/log/capture-rule.ts'
import { SCHEDULE_NAMES } from '../core/learn/schedule.ts'
import type { InternalizeOptions } from '../core/lifecycle/internalization.ts'
import { DETECTOR_NAMES, type RedactOptions } from '../core/log/redact.ts'
import { AppError } from '../errors.ts'

const flag = (fallback: boolean) =>
  z
    .enum(['true', 'false'])
    .default(fallback ? 'true' : 'false')
    .transform((value) => value === 'true')

const whole = (fallback: number, min = 0) => z.coerce.number().int().min(min).default(fallback)
const share = (fallback: number) => z.coerce.number().min(0).max(1).default(fallback)
const optional = z
  .string()
  .optional()
  .transform((value) => (value === undefined || value === '' ? null : value))

/** Separated by commas. */
const names = z
  .string()
  .default('')
  .transform((value) =>
    value
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
  )

/** Of headers and of query parameters. */
const credentialNames = names
  .transform((list) => list.map((name) => name.toLowerCase()))
  .pipe(z.array(z.string().regex(/^[!#$%&'*+.^_`|~\w-]+$/, 'no name of a header')))

const detectors = names.pipe(z.array(z.enum(DETECTOR_NAMES)))

const tenants = names.pipe(
  z.array(
    z
      .string()
      .regex(
        /^(?:[0-9a-f]{32}|issued:[\w.-]{1,64})$/,
        'a tenant is 32 hex digits, or issued: and a label: promptintern status'
      )
  )
)

const isPattern = (source: string): boolean => {
  try {
    return !new RegExp(source, 'u').test('')
  } catch {
    return false
  }
}

/** Regular expressions by label, as a JSON object. */
const patterns = z
  .string()
  .default('{}')
  .transform((value, context) => {
    try {
      return JSON.parse(value) as unknown
    } catch {
      context.addIssue('no JSON')
      return z.NEVER
    }
  })
  .pipe(
    z.record(
      z.string(),
      z.string().refine(isPattern, 'no regular expression, or one that matches nothing at all')
    )
  )
  .refine(
    (record) => Object.keys(record).every((label) => /^[A-Z][A-Z_]*$/.test(label)),
    'labels are capital letters'
  )

const SCHEMA = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: whole(8787).pipe(z.number().max(65535)),
  DATA_DIR: z.string().default('./data'),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  MAX_CONNECTIONS: whole(16_384, 1),
  MAX_IN_FLIGHT_REQUESTS: whole(10_000, 1),
  SHED_DELAY_MS: whole(500),
  DRAIN_SECONDS: z.coerce.number().min(0).default(60),
  ADMIN_TOKEN: optional,

  UPSTREAM_BASE_URL: baseUrlSchema('UPSTREAM_API_KEY').default('https://api.openai.com/v1'),
  UPSTREAM_API_KEY: optional,
  ACCESS: z.enum(['forward', 'keys']).default('forward'),
  UPSTREAM_TIMEOUT_SECONDS: whole(600, 1),
  UPSTREAMS_FILE: optional,
  RETRY_AFTER_MAX_SECONDS: z.coerce.number().min(0).default(0),
  MAX_BODY_BYTES: whole(32 * 2 ** 20, 1024),
  MAX_IN_FLIGHT_BYTES: whole(256 * 2 ** 20, 1024),
  LOG_QUEUE_MAX_BYTES: whole(64 * 2 ** 20, 1024),
  KEEP_ALIVE_SECONDS: z.coerce.number().min(0).default(0),
  STREAM_USAGE: z.enum(['as-asked', 'always']).default('as-asked'),
  CAPTURE_MAX_BYTES: whole(4 * 2 ** 20, 1024),
  TENANT_SECRET: optional,
  CREDENTIAL_TTL_SECONDS: whole(3600, 1),
  CREDENTIAL_NAMES: credentialNames,
  PRICES_FILE: optional,
  ESTIMATE_USAGE: flag(true),
  OTEL_EXPORTER_OTLP_ENDPOINT: optional.pipe(
    baseUrlSchema('OTEL_EXPORTER_OTLP_HEADERS').nullable()
  ),
  OTEL_SERVICE_NAME: z.string().default('promptintern-proxy'),
  CAPTURE_SHARE: share(1),
  CAPTURE_TENANTS: tenants,
  CAPTURE_EXCEPT: tenants,
  REDACT: detectors,
  REDACT_PATTERNS: patterns,
  BODY_RETENTION_DAYS: whole(30, 1),
  RECORD_RETENTION_DAYS: whole(365, 1),

  ENGINE: z.enum(['none', 'onnx', 'fake', 'http']).default('none'),
  MODEL_PATH: optional,
  ENGINE_URL: optional.pipe(baseUrlSchema('ENGINE_TOKEN').nullable()),
  ENGINE_TOKEN: optional,
  ENGINE_START_COMMAND: optional,
  ENGINE_STOP_COMMAND: optional,
  ENGINE_START_MINUTES: z.coerce.number().positive().default(10),
  ENGINE_IDLE_MINUTES: z.coerce.number().min(0).default(15),
  ENGINE_THREADS: whole(0),
  ENGINE_USD_PER_HOUR: optional
    .transform((value) => (value === null ? null : Number(value)))
    .pipe(z.number().min(0).nullable()),
  HF_ENDPOINT: baseUrlSchema('HF_TOKEN').default('https://huggingface.co'),
  HF_TOKEN: optional,
  ADAPTED_TIMEOUT_MS: whole(10_000, 1),
  ECHO_MODEL: flag(false),
  TRAFFIC_SHARE: share(1),

  DETECT_MIN_SESSIONS: whole(30, 2),
  AUTO_INTERNALIZE: flag(true),
  AUTO_PROMOTE: flag(false),
  TRAIN_ROWS: whole(500, 1),
  HOLDOUT_ROWS: whole(500, 1),
  TRAIN_MINUTES: z.coerce.number().min(0).default(0),
  TRAINING_METHOD: z.enum(['auto', 'supervised']).default('auto'),
  SCHEDULE: z.enum(SCHEDULE_NAMES).default('linear'),
  STAGES: whole(4, 1),
  QUERY_ONLY_ARM: flag(true),
  EXAMPLES: whole(4),
  SEED: whole(20240702),
  MARGIN: share(0.05),
  MIN_COVERAGE: share(0.2),
  UPSTREAM_REPLAYS: whole(200),
})

type Environment = z.infer<typeof SCHEMA>

/** A machine that the worker starts for the engine, by shell commands. */
export interface EngineMachine {
  startCommand: string
  /** null: it is never stopped */
  stopCommand: string | null
  startMs: number
  idleMs: number
}

export interface Config {
  host: string
  port: number
  dataDir: string
  logLevel: Environment['LOG_LEVEL']
  adminToken: string | null
  /** `keys` asks for keys that the proxy issued, and has an `upstream.apiKey` */
  access: Environment['ACCESS']
  server: { maxConnections: number; drainMs: number }
  /** `maxDelayMs` of the event loop; 0 sets no limit */
  shed: { maxInFlight: number; maxDelayMs: number }
  upstream: {
    baseUrl: string
    apiKey: string | null
    timeoutMs: number
    /** of further upstreams, by model name */
    file: string | null
    retryAfterMaxMs: number
  }
  proxy: {
    maxBodyBytes: number
    maxInFlightBytes: number
    logQueueMaxBytes: number
    captureMaxBytes: number
    adaptedTimeoutMs: number
    echoModel: boolean
    credentialTtlMs: number
    /** of headers and query parameters that carry credentials, beside the known ones; in lower case */
    credentialNames: string[]
    tenantSecret: string | null
    keepAliveMs: number
    streamUsage: Environment['STREAM_USAGE']
  }
  capture: CaptureRule
  /** null when nothing is taken out */
  redact: RedactOptions | null
  pricesFile: string | null
  /** null: not set, and the engine's cost is left out of savings */
  engineUsdPerHour: number | null
  estimateUsage: boolean
  /** null when no spans are sent */
  tracing: { endpoint: string; serviceName: string } | null
  hub: { endpoint: string; token: string | null }
  retention: { bodiesMs: number; recordsMs: number }
  engine:
    | { kind: 'none' }
    | { kind: 'fake' }
    | { kind: 'onnx'; modelPath: string; threads: number }
    | { kind: 'http'; url: string; token: string | null; machine: EngineMachine | null }
  internalize: InternalizeOptions
}

/** The keys of the environment that the program reads, for the documentation's test. */
export const CONFIG_KEYS = Object.keys(SCHEMA.shape)

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])

const engineMistakes = (env: Environment): string[] => {
  if (env.ENGINE === 'onnx' && env.MODEL_PATH === null)
    return ['MODEL_PATH: needed with ENGINE=onnx (a GGUF file or a Hugging Face folder)']
  if (env.ENGINE === 'http' && env.ENGINE_URL === null)
    return ['ENGINE_URL: needed with ENGINE=http']
  return []
}

const machineMistakes = (env: Environment): string[] => {
  if (env.ENGINE_START_COMMAND !== null && env.ENGINE !== 'http')
    return ['ENGINE_START_COMMAND: only with ENGINE=http, whose machine it starts']
  if (env.ENGINE_STOP_COMMAND !== null && env.ENGINE_START_COMMAND === null)
    return [
      'ENGINE_STOP_COMMAND: needs ENGINE_START_COMMAND, since only what was started is stopped',
    ]
  return []
}

const accessMistakes = (env: Environment): string[] =>
  env.ACCESS === 'keys' && env.UPSTREAM_API_KEY === null
    ? ['UPSTREAM_API_KEY: needed with ACCESS=keys, where callers have none for the upstream']
    : []

const exposureMistakes = (env: Environment): string[] =>
  env.ADMIN_TOKEN === null && !LOOPBACK.has(env.HOST)
    ? [`ADMIN_TOKEN: needed when HOST (${env.HOST}) is not a loopback address`]
    : []

const machineOf = (env: Environment): EngineMachine | null =>
  env.ENGINE_START_COMMAND === null
    ? null
    : {
        startCommand: env.ENGINE_START_COMMAND,
        stopCommand: env.ENGINE_STOP_COMMAND,
        startMs: env.ENGINE_START_MINUTES * MINUTE_MS,
        idleMs: env.ENGINE_IDLE_MINUTES * MINUTE_MS,
      }

const engineOf = (env: Environment): Config['engine'] => {
  switch (env.ENGINE) {
    case 'onnx':
      return { kind: 'onnx', modelPath: env.MODEL_PATH!, threads: env.ENGINE_THREADS }
    case 'http':
      return {
        kind: 'http',
        url: env.ENGINE_URL!,
        token: env.ENGINE_TOKEN,
        machine: machineOf(env),
      }
    default:
      return { kind: env.ENGINE }
  }
}

const redactOf = ({ REDACT, REDACT_PATTERNS }: Environment): RedactOptions | null =>
  REDACT.length === 0 && Object.keys(REDACT_PATTERNS).length === 0
    ? null
    : { detectors: REDACT, patterns: REDACT_PATTERNS }

const internalizeOf = (env: Environment): Config['internalize'] => ({
  minSessions: env.DETECT_MIN_SESSIONS,
  auto: env.AUTO_INTERNALIZE,
  autoPromote: env.AUTO_PROMOTE,
  trainRows: env.TRAIN_ROWS,
  holdoutRows: env.HOLDOUT_ROWS,
  trainSeconds: env.TRAIN_MINUTES === 0 ? null : env.TRAIN_MINUTES * 60,
  method: env.TRAINING_METHOD,
  schedule: env.SCHEDULE,
  stages: env.STAGES,
  queryOnlyArm: env.QUERY_ONLY_ARM,
  examples: env.EXAMPLES,
  seed: env.SEED,
  margin: env.MARGIN,
  minCoverage: env.MIN_COVERAGE,
  upstreamReplays: env.UPSTREAM_REPLAYS,
  trafficShare: env.TRAFFIC_SHARE,
})

const configOf = (env: Environment): Config => ({
  host: env.HOST,
  port: env.PORT,
  dataDir: env.DATA_DIR,
  logLevel: env.LOG_LEVEL,
  adminToken: env.ADMIN_TOKEN,
  access: env.ACCESS,
  server: { maxConnections: env.MAX_CONNECTIONS, drainMs: env.DRAIN_SECONDS * 1000 },
  shed: { maxInFlight: env.MAX_IN_FLIGHT_REQUESTS, maxDelayMs: env.SHED_DELAY_MS },
  upstream: {
    baseUrl: env.UPSTREAM_BASE_URL.replace(/\/+$/, ''),
    apiKey: env.UPSTREAM_API_KEY,
    timeoutMs: env.UPSTREAM_TIMEOUT_SECONDS * 1000,
    file: env.UPSTREAMS_FILE,
    retryAfterMaxMs: env.RETRY_AFTER_MAX_SECONDS * 1000,
  },
  proxy: {
    maxBodyBytes: env.MAX_BODY_BYTES,
    maxInFlightBytes: env.MAX_IN_FLIGHT_BYTES,
    logQueueMaxBytes: env.LOG_QUEUE_MAX_BYTES,
    captureMaxBytes: env.CAPTURE_MAX_BYTES,
    adaptedTimeoutMs: env.ADAPTED_TIMEOUT_MS,
    echoModel: env.ECHO_MODEL,
    credentialTtlMs: env.CREDENTIAL_TTL_SECONDS * 1000,
    credentialNames: env.CREDENTIAL_NAMES,
    tenantSecret: env.TENANT_SECRET,
    keepAliveMs: env.KEEP_ALIVE_SECONDS * 1000,
    streamUsage: env.STREAM_USAGE,
  },
  capture: {
    tenants: env.CAPTURE_TENANTS,
    except: env.CAPTURE_EXCEPT,
    share: env.CAPTURE_SHARE,
  },
  redact: redactOf(env),
  pricesFile: env.PRICES_FILE,
  engineUsdPerHour: env.ENGINE_USD_PER_HOUR,
  estimateUsage: env.ESTIMATE_USAGE,
  tracing:
    env.OTEL_EXPORTER_OTLP_ENDPOINT === null
      ? null
      : { endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT, serviceName: env.OTEL_SERVICE_NAME },
  hub: { endpoint: env.HF_ENDPOINT.replace(/\/+$/, ''), token: env.HF_TOKEN },
  retention: {
    bodiesMs: env.BODY_RETENTION_DAYS * DAY_MS,
    recordsMs: env.RECORD_RETENTION_DAYS * DAY_MS,
  },
  engine: engineOf(env),
  internalize: internalizeOf(env),
})

/**
 * @param env environment variables; unknown ones are ignored
 * @throws AppError `invalid-config` whose message has one line a mistake
 */
export const parseConfig = (env: Record<string, string | undefined>): Config => {
  const parsed = SCHEMA.safeParse(env)
  const mistakes = parsed.success
    ? [engineMistakes, machineMistakes, accessMistakes, exposureMistakes].flatMap((find) =>
        find(parsed.data)
      )
    : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  if (!parsed.success || mistakes.length > 0)
    throw new AppError('invalid-config', `invalid configuration\n  ${mistakes.join('\n  ')}`)
  return configOf(parsed.data)
}
