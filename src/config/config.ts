/** The configuration: the values of the environment, grouped by the part that takes them. Pure. */
import { DAY_MS } from '../core/days.ts'
import type { CheckerKind } from '../core/gate/checker.ts'
import type { CaptureRule } from '../core/log/selection.ts'
import type { InternalizeOptions } from '../core/internalization/internalization.ts'
import type { RolloutSettings } from '../core/rollout/stages.ts'
import type { RedactOptions } from '../core/log/redact.ts'
import { parseDatabaseUrl, type DatabaseServer } from './database-url.ts'
import type { Constants } from './constants.ts'
import {
  parseEnvironment,
  type Environment,
  type Parsed,
  type ParseOptions,
} from './environment.ts'
import { settingsOf } from './settings.ts'

type EngineConfig =
  | { kind: 'none' }
  | { kind: 'fake' }
  | { kind: 'onnx'; modelPath: string | null; encoderPath: string | null; threads: number }
  | { kind: 'http'; url: string; token: string | null }

const engineOf = (env: Environment): EngineConfig => {
  switch (env.ENGINE) {
    case 'onnx':
      return {
        kind: 'onnx',
        modelPath: env.MODEL_PATH,
        encoderPath: env.ENCODER_PATH,
        threads: env.ENGINE_THREADS,
      }
    case 'http': {
      const { ENGINE_URL: url, ENGINE_TOKEN: token } = env
      return { kind: 'http', url: url!, token }
    }
    default:
      return { kind: env.ENGINE }
  }
}

interface DatabaseConfig {
  server: DatabaseServer
  poolSize: number
}

/** null: SQLite in the data directory */
const databaseOf = (env: Environment, { databasePool }: Constants): DatabaseConfig | null => {
  if (env.DATABASE_URL === null) return null
  const parsed = parseDatabaseUrl(env.DATABASE_URL)
  // a URL with a mistake was refused with the environment
  return 'server' in parsed ? { server: parsed.server, poolSize: databasePool } : null
}

/** null: bodies are stored as they are */
const redactOf = ({ REDACT, REDACT_PATTERNS }: Environment): RedactOptions | null =>
  REDACT.length === 0 && Object.keys(REDACT_PATTERNS).length === 0
    ? null
    : { detectors: REDACT, patterns: REDACT_PATTERNS }

/** null: no spans are sent */
const tracingOf = ({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }: Environment) =>
  endpoint === null ? null : { endpoint }

const serverOf = (env: Environment, { maxConnections }: Constants) => ({
  /** further names of the server, in lower case */
  allowedHosts: env.ALLOWED_HOSTS,
  maxConnections,
  drainMs: env.DRAIN_SECONDS * 1000,
  drainIdleMs: env.DRAIN_IDLE_SECONDS * 1000,
})

/** Without a secret it is Slack's: its messages have no signature. null: no events are sent */
const webhookOf = (env: Environment): { url: string; secret: string | null } | null =>
  env.WEBHOOK_URL === null ? null : { url: env.WEBHOOK_URL, secret: env.WEBHOOK_SECRET }

const internalizeOf = (env: Environment, constants: Constants): InternalizeOptions => ({
  minSessions: constants.detectMinSessions,
  auto: env.AUTO_INTERNALIZE,
  autoPromote: env.AUTO_PROMOTE,
  startExchanges: Math.min(constants.startExchanges, constants.trainRows + constants.holdoutRows),
  trainRows: constants.trainRows,
  holdoutRows: constants.holdoutRows,
  burstMinutes: env.BURST_MINUTES,
  trainSeconds: env.TRAIN_MINUTES === 0 ? null : env.TRAIN_MINUTES * 60,
  stages: constants.stages,
  arms: env.ARMS,
  examples: constants.examples,
  seed: constants.seed,
  margin: env.MARGIN,
  minCoverage: constants.minCoverage,
  upstreamReplays: env.UPSTREAM_REPLAYS,
  proofUsd: env.PROOF_USD,
})

/** null: written answers cannot go live */
const judgeOf = (env: Environment) =>
  env.JUDGE_MODEL === null
    ? null
    : {
        model: env.JUDGE_MODEL,
        rubricFile: env.JUDGE_RUBRIC_FILE,
      }

export interface CheckerConfig {
  kind: CheckerKind
  /** the command or the URL */
  setting: string
  /** of one comparison */
  limitMs: number
}

/** null: code is compared by its text alone */
const checkerOf = (env: Environment, { checkSeconds }: Constants): CheckerConfig | null => {
  const settings = { command: env.CHECK_COMMAND, url: env.CHECK_URL }
  const kind = (['command', 'url'] as const).find((one) => settings[one] !== null)
  if (kind === undefined) return null
  return { kind, setting: settings[kind] ?? '', limitMs: checkSeconds * 1000 }
}

const rolloutOf = (env: Environment, constants: Constants): RolloutSettings => ({
  stages: env.ROLLOUT_STAGES,
  auditShare: constants.auditShare,
  minHours: constants.rolloutMinHours,
  rollbackCapital: constants.rollbackCapital,
  stepCapital: constants.stepCapital,
  steps: env.AUTO_PROMOTE,
  auditUsdPerDay: env.AUDIT_USD_PER_DAY,
})

const proxyOf = (env: Environment, constants: Constants) => ({
  maxBodyBytes: env.MAX_BODY_BYTES,
  maxInFlightBytes: env.MAX_IN_FLIGHT_BYTES,
  logQueueMaxBytes: constants.logQueueMaxBytes,
  captureMaxBytes: constants.captureMaxBytes,
  adaptedTimeoutMs: env.ADAPTED_TIMEOUT_MS,
  echoModel: env.ECHO_MODEL,
  /** of routes whose proof allows it */
  /** headers and query parameters that carry credentials, beside the known ones; in lower case */
  credentialNames: env.CREDENTIAL_NAMES,
  /** headers that change no answer, beside the known ones; in lower case */
  irrelevantHeaders: env.IRRELEVANT_HEADERS,
  tenantSecret: env.TENANT_SECRET,
  keepAliveMs: env.KEEP_ALIVE_SECONDS * 1000,
  /** after this time without a confirmation by the store no lora is asked */
  routesMaxAgeMs: constants.routesMaxAgeSeconds * 1000,
  streamUsage: env.STREAM_USAGE,
})

/** Of a list in which a `-` stands before what is excepted. */
const captureOf = ({ CAPTURE_TENANTS, CAPTURE_SHARE }: Environment): CaptureRule => ({
  tenants: CAPTURE_TENANTS.filter((name) => !name.startsWith('-')),
  except: CAPTURE_TENANTS.flatMap((name) => (name.startsWith('-') ? [name.slice(1)] : [])),
  share: CAPTURE_SHARE,
})

const configOf = ({ env, constants, changes }: Parsed) => ({
  host: env.HOST,
  port: env.PORT,
  dataDir: env.DATA_DIR,
  database: databaseOf(env, constants),
  logLevel: env.LOG_LEVEL,
  adminToken: env.ADMIN_TOKEN,
  adminReadToken: env.ADMIN_READ_TOKEN,
  /** `keys`: callers need keys that the proxy issued, and `upstream.apiKey` is set */
  access: env.ACCESS,
  server: serverOf(env, constants),
  /** `maxDelayMs` of the event loop; 0 sets no limit */
  shed: { maxInFlight: constants.maxInFlightRequests, maxDelayMs: constants.shedDelayMs },
  upstream: {
    baseUrl: env.UPSTREAM_BASE_URL,
    apiKey: env.UPSTREAM_API_KEY,
    timeoutMs: env.UPSTREAM_TIMEOUT_SECONDS * 1000,
    /** path of the file with further upstreams by model name */
    file: env.UPSTREAMS_FILE,
    retryAfterMaxMs: env.RETRY_AFTER_MAX_SECONDS * 1000,
  },
  proxy: proxyOf(env, constants),
  capture: captureOf(env),
  redact: redactOf(env),
  pricesFile: env.PRICES_FILE,
  /** null: savings are computed without the engine's cost */
  engineUsdPerHour: env.ENGINE_USD_PER_HOUR,
  tracing: tracingOf(env),
  webhook: webhookOf(env),
  retention: {
    bodiesMs: env.BODY_RETENTION_DAYS * DAY_MS,
    recordsMs: env.RECORD_RETENTION_DAYS * DAY_MS,
  },
  engine: engineOf(env),
  internalize: internalizeOf(env, constants),
  judge: judgeOf(env),
  checker: checkerOf(env, constants),
  /** hosts of upstreams, in lower case */
  trainingConsent: env.TRAINING_CONSENT,
  rollout: rolloutOf(env, constants),
  settings: settingsOf(env),
  /** constants that development has changed; empty in every installation */
  changedConstants: changes,
})

export type Config = ReturnType<typeof configOf>

/**
 * @param variables environment variables; unknown ones are ignored
 * @throws AppError `invalid-config` with one line per mistake in its message
 */
export const parseConfig = (
  variables: Record<string, string | undefined>,
  options?: ParseOptions
): Config => configOf(parseEnvironment(variables, options))
