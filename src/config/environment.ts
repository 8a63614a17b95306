/**
 * The environment variables: their types, defaults and limits, as text in and values out. Pure; every
 * mistake is reported at once. Every key has a row in docs/configuration.md, which a test checks.
 */
import { z } from 'zod'
import { PROMISE } from '../core/proof/verify-promise.ts'
import { isTenant } from '../core/keys/issued-key.ts'
import { DETECTOR_NAMES } from '../core/log/redact.ts'
import { ARM_NAMES, isModelArm, type ArmName } from '../core/learn/schedule.ts'
import { AppError } from '../errors.ts'
import { goneSettings } from '../gone.ts'
import { CONSTANTS, readChanges, type ConstantChanges, type Constants } from './constants.ts'
import { parseDatabaseUrl } from './database-url.ts'

/** Userinfo, a query or a fragment, also when it is empty. */
const EXTRAS = /^[^/]*\/\/[^/?#]*@|[?#]/

/**
 * Base URLs of the configuration: scheme, host, port and path, without slashes at the end. Userinfo and a query are
 * refused: they would be dropped from requests, and every log of the URL would show a password in them.
 * The error message does not repeat the URL.
 * @param keyPlace the setting in which a key belongs
 */
export const baseUrlSchema = (keyPlace: string) =>
  z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .refine(
      (text) => !EXTRAS.test(text),
      `must have no user, password, query or fragment; a key belongs in ${keyPlace}`
    )
    .transform((text) => text.replace(/\/+$/, ''))

/** Of the operator's checker, which may have a secret in its query. */
const checkUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' })

/**
 * A webhook's URL. Its path and query may be secret: the error message does not repeat it, and logs show
 * only the host. `fetch` refuses a URL with a user or password.
 */
const webhookUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL', abort: true })
  .refine((text) => {
    const { username, password, hash } = new URL(text)
    return `${username}${password}${hash}` === ''
  }, 'must have no user, password or fragment')

const MIN_KEY_BYTES = 24
const MAX_KEY_BYTES = 64

/** The secret of a webhook as the Standard Webhooks specification writes it. */
const webhookSecret = z.string().refine((text) => {
  const base64 = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)?.[1] ?? ''
  const { length } = Buffer.from(base64, 'base64')
  return length >= MIN_KEY_BYTES && length <= MAX_KEY_BYTES
}, `must be whsec_ and ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES} bytes in base64`)

/** Of PostgreSQL. It has a password: the error message does not repeat it. */
const databaseUrl = z.string().superRefine((text, context) => {
  const parsed = parseDatabaseUrl(text)
  if ('mistake' in parsed) context.addIssue(parsed.mistake)
})

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

/** US dollars; null: not set. */
const usd = optional
  .transform((value) => (value === null ? null : Number(value)))
  .pipe(z.number().min(0).nullable())

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
const headerNames = names
  .transform((list) => list.map((name) => name.toLowerCase()))
  .pipe(z.array(z.string().regex(/^[!#$%&'*+.^_`|~\w-]+$/, 'is not a valid header name')))

/** Of hosts, without a port. */
const hostNames = names
  .transform((list) => list.map((name) => name.toLowerCase().replace(/\.$/, '')))
  .pipe(z.array(z.string().regex(/^[\w-]+(?:\.[\w-]+)*$/, 'must be a host name without a port')))

/** Of upstreams, as `URL.hostname` gives them. */
const upstreamHosts = names
  .transform((list) => list.map((name) => name.toLowerCase().replace(/\.$/, '')))
  .pipe(
    z.array(
      z
        .string()
        .regex(
          /^(?:[\w-]+(?:\.[\w-]+)*|\[[\da-f:.]+\])$/,
          'must be hosts of upstreams without scheme, port or path, such as api.x.ai'
        )
    )
  )

const detectors = names.pipe(z.array(z.enum(DETECTOR_NAMES)))
/** What learns where no arm is named: no run has shown a schedule ahead (docs/experiments.md#paper). */
const DEFAULT_ARMS: readonly ArmName[] = ['label-head', 'field-head', 'query-only']

const arms = names
  .transform((list) => (list.length === 0 ? [...DEFAULT_ARMS] : [...new Set(list)]))
  .pipe(
    z.array(
      z.custom<ArmName>(
        (name) => ARM_NAMES.some((known) => known === name) || isModelArm(String(name)),
        `must be of ${ARM_NAMES.join(', ')}, and model: with the name of a model`
      )
    )
  )

/** Those that are logged, or with a `-` before them those that are not. */
const tenants = names.pipe(
  z.array(
    z
      .string()
      .refine(
        (name) => isTenant(name.replace(/^-/, '')),
        'must be 32 hex digits, or issued: and a label, as promptintern status lists them'
      )
  )
)

/** A pattern that matches the empty string would match between any two characters. */
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
      context.addIssue('is not JSON')
      return z.NEVER
    }
  })
  .pipe(
    z.record(
      z.string(),
      z
        .string()
        .refine(isPattern, 'must be a regular expression that does not match the empty string')
    )
  )
  .refine(
    (record) => Object.keys(record).every((label) => /^[A-Z][A-Z_]*$/.test(label)),
    'labels must be capital letters and underscores'
  )

/** Shares of the traffic, rising to 1. */
const stages = z
  .string()
  .default('0.05,0.25,1')
  .transform((value) => value.split(',').map(Number))
  .refine(
    (list) =>
      list.at(-1) === 1 && list.every((item, i) => item >= 0 && (i === 0 || item > list[i - 1]!)),
    'must be increasing shares of at least 0 that end with 1, such as 0.05,0.25,1'
  )

const SCHEMA = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: whole(8787).pipe(z.number().max(65535)),
  ALLOWED_HOSTS: hostNames,
  DATA_DIR: z.string().default('./data'),
  DATABASE_URL: optional.pipe(databaseUrl.nullable()),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  DRAIN_SECONDS: z.coerce.number().min(0).default(60),
  DRAIN_IDLE_SECONDS: z.coerce.number().min(0).default(0),
  ADMIN_TOKEN: optional,
  ADMIN_READ_TOKEN: optional,

  UPSTREAM_BASE_URL: baseUrlSchema('UPSTREAM_API_KEY').default('https://api.openai.com/v1'),
  UPSTREAM_API_KEY: optional,
  ACCESS: z.enum(['forward', 'keys']).default('forward'),
  UPSTREAM_TIMEOUT_SECONDS: whole(600, 1),
  UPSTREAMS_FILE: optional,
  RETRY_AFTER_MAX_SECONDS: z.coerce.number().min(0).default(0),
  MAX_BODY_BYTES: whole(32 * 2 ** 20, 1024),
  MAX_IN_FLIGHT_BYTES: whole(256 * 2 ** 20, 1024),
  KEEP_ALIVE_SECONDS: z.coerce.number().min(0).default(0),
  STREAM_USAGE: z.enum(['as-asked', 'always']).default('as-asked'),
  TENANT_SECRET: optional,
  CREDENTIAL_NAMES: headerNames,
  IRRELEVANT_HEADERS: headerNames,
  PRICES_FILE: optional,
  OTEL_EXPORTER_OTLP_ENDPOINT: optional.pipe(
    baseUrlSchema('OTEL_EXPORTER_OTLP_HEADERS').nullable()
  ),
  WEBHOOK_URL: optional.pipe(webhookUrl.nullable()),
  WEBHOOK_SECRET: optional.pipe(webhookSecret.nullable()),
  CAPTURE_SHARE: share(1),
  CAPTURE_TENANTS: tenants,
  REDACT: detectors,
  REDACT_PATTERNS: patterns,
  BODY_RETENTION_DAYS: whole(30, 1),
  RECORD_RETENTION_DAYS: whole(365, 1),

  ENGINE: z.enum(['none', 'onnx', 'fake', 'http']).default('none'),
  MODEL_PATH: optional,
  ENCODER_PATH: optional,
  ENGINE_URL: optional.pipe(baseUrlSchema('ENGINE_TOKEN').nullable()),
  ENGINE_TOKEN: optional,
  ENGINE_THREADS: whole(0),
  ENGINE_USD_PER_HOUR: usd,
  ADAPTED_TIMEOUT_MS: whole(10_000, 1),
  ECHO_MODEL: flag(false),
  ROLLOUT_STAGES: stages,
  AUDIT_USD_PER_DAY: usd,

  AUTO_INTERNALIZE: flag(true),
  AUTO_PROMOTE: flag(false),
  BURST_MINUTES: z.coerce.number().min(0).default(PROMISE.burstMinutes),
  TRAIN_MINUTES: z.coerce.number().min(0).default(0),
  ARMS: arms,
  TRAINING_CONSENT: upstreamHosts,
  MARGIN: share(PROMISE.margin),
  UPSTREAM_REPLAYS: optional
    .transform((value) => (value === null ? null : Number(value)))
    .pipe(z.number().int().min(0).nullable()),
  PROOF_USD: usd,
  JUDGE_MODEL: optional,
  JUDGE_RUBRIC_FILE: optional,
  CHECK_COMMAND: optional,
  CHECK_URL: optional.pipe(checkUrl.nullable()),
})

export type Environment = z.infer<typeof SCHEMA>

/** The settings, and the figures that are none. */
export interface Parsed {
  env: Environment
  constants: Constants
  /** of the constants, by development */
  changes: ConstantChanges
}

/** The keys of the environment that the program reads. */
export const CONFIG_KEYS = Object.keys(SCHEMA.shape)

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])

export interface ParseOptions {
  /** false for commands that open no port: what only the server needs may be missing */
  serves: boolean
}

type Check = [isWrong: boolean, mistake: string]

const judgeChecks = (env: Environment): Check[] => [
  [
    env.JUDGE_MODEL !== null && env.PROOF_USD === null,
    'PROOF_USD: needed with JUDGE_MODEL; the US dollars that the proof of one internalization may cost, such as 5',
  ],
  [
    env.JUDGE_MODEL === null && env.JUDGE_RUBRIC_FILE !== null,
    'JUDGE_MODEL: needed with JUDGE_RUBRIC_FILE; the model that compares written answers',
  ],
]

/** Mistakes that involve more than one key. */
const mistakesOf = (env: Environment, { serves }: ParseOptions): string[] => {
  const checks: Check[] = [
    [
      env.ENGINE === 'onnx' && env.MODEL_PATH === null && env.ENCODER_PATH === null,
      'ENCODER_PATH: needed with ENGINE=onnx for label heads (promptintern models pull minilm), ' +
        'or MODEL_PATH for loras (a GGUF file or a Hugging Face folder)',
    ],
    [
      env.ENGINE !== 'onnx' && env.ENCODER_PATH !== null,
      'ENCODER_PATH: only valid with ENGINE=onnx; another engine has its own encoder',
    ],
    [env.ENGINE === 'http' && env.ENGINE_URL === null, 'ENGINE_URL: needed with ENGINE=http'],
    ...judgeChecks(env),
    [
      env.CHECK_COMMAND !== null && env.CHECK_URL !== null,
      'CHECK_COMMAND, CHECK_URL: set one of them; two checkers could contradict each other',
    ],
    [
      serves && env.ACCESS === 'keys' && env.UPSTREAM_API_KEY === null,
      'UPSTREAM_API_KEY: needed with ACCESS=keys, because callers have no key of the upstream',
    ],
    [
      env.ADMIN_READ_TOKEN !== null && env.ADMIN_READ_TOKEN === env.ADMIN_TOKEN,
      'ADMIN_READ_TOKEN: must differ from ADMIN_TOKEN, because it has fewer rights',
    ],
    [
      serves && env.ADMIN_TOKEN === null && !LOOPBACK.has(env.HOST),
      `ADMIN_TOKEN: needed because HOST (${env.HOST}) is not a loopback address`,
    ],
  ]
  return checks.filter(([isWrong]) => isWrong).map(([, mistake]) => mistake)
}

/**
 * @param variables environment variables; unknown ones are ignored
 * @throws AppError `invalid-config` with one line per mistake in its message
 */
export const parseEnvironment = (
  variables: Record<string, string | undefined>,
  options: ParseOptions = { serves: true }
): Parsed => {
  const parsed = SCHEMA.safeParse(variables)
  const { changes, mistakes: wrongChanges } = readChanges(variables)
  const mistakes = [
    ...goneSettings(variables),
    ...wrongChanges,
    ...(parsed.success
      ? mistakesOf(parsed.data, options)
      : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)),
  ]
  if (!parsed.success || mistakes.length > 0)
    throw new AppError('invalid-config', `invalid configuration\n  ${mistakes.join('\n  ')}`)
  return { env: parsed.data, constants: { ...CONSTANTS, ...changes }, changes }
}
