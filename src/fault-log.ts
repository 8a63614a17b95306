/**
 * Writes one structured line for each fault, for the operator: the kind, the chain of causes and the
 * stack of each. Lines are limited per second and kind, so that a flood of faults cannot fill the disk;
 * every fault is counted. Logger and metrics are passed in.
 */
import { createRedactor } from './core/log/redact.ts'

/** Faults of the server's process; docs/reasons.md explains each kind. */
export const SERVER_FAULTS = [
  'accept',
  'charge',
  'close',
  'engine',
  'engine-away',
  'engine-process',
  'exchange-end',
  'log-dropped',
  'log-store',
  'matching',
  'request',
  'rollout-reports',
  'route',
  'routes-too-old',
  'snapshot',
  'spend',
  'store-thread',
  'traces',
  'uncaught',
  'unreadable-request',
  'upstream',
  'upstream-refused-after-ours',
  'usage-totals',
  'worker-process',
] as const
export type ServerFault = (typeof SERVER_FAULTS)[number]

/** Faults of the worker's process. */
export const WORKER_FAULTS = [
  'audit',
  'engine-jobs',
  'engine-process',
  'forgetting',
  'internalization',
  'lease',
  'replay',
  'store-thread',
  'training-files',
  'webhook',
  'worker-step',
] as const
export type WorkerFault = (typeof WORKER_FAULTS)[number]

/**
 * Reports a fault that was handled. Does not throw.
 * @param data ids, codes, host and port; never headers, bodies or URLs
 */
export type ReportFault<Kind extends string> = (
  kind: Kind,
  error: unknown,
  data?: Record<string, unknown>
) => void

/** One error of a chain of causes. */
export interface FaultCause {
  name: string
  /** the code of an AppError, of Node or of a library; null without one */
  code: string | null
  message: string
  /** stack frames, innermost first; empty if they are unknown */
  stack: string[]
}

export interface FaultLine extends Record<string, unknown> {
  kind: string
  /** faults of this kind since the process started, this one included */
  count: number
  /** faults of this kind without a line since the last line of the kind */
  suppressed: number
  /** the error, its cause, the cause of that, and so on */
  causes: FaultCause[]
}

export interface FaultLogOptions<Kind extends string> {
  write: (line: FaultLine & { kind: Kind }) => void
  /** incremented in place, one number per kind */
  counts: Record<Kind, number>
  /** milliseconds; only differences matter */
  now: () => number
}

const LINES_PER_SECOND = 5
const MAX_CAUSES = 5
const MAX_FRAMES = 12
const MAX_MESSAGE_CHARS = 300

/** The user of a URL, and the value after a word such as "token". */
const NAMED_SECRETS =
  /(?<=:\/\/)[^\s/@]+(?=@)|(?<=(?:token|key|secret|password|bearer)["']?[\s:=]{1,3}["']?)(?!\[)[^\s"',;]{6,}/gi

const redactKeys = createRedactor({ detectors: ['key'], patterns: {} })

/** Masks credentials in the messages of errors, which other programs may have written. */
const maskSecrets = (text: string): string =>
  redactKeys()(text.replaceAll(NAMED_SECRETS, '[SECRET]'))

const framesOf = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, MAX_FRAMES)
    .map((line) => line.trim())

/** The message without secrets and without the data that an error message quotes. */
const safeMessage = (name: string, message: string): string => {
  // JSON.parse quotes the invalid text
  if (name === 'SyntaxError') return '(omitted: it quotes the text that could not be parsed)'
  // Node quotes an invalid argument
  const unquoted = message
    .replace(/\bReceived .*/s, 'Received …')
    .replace(/\b(?:Unexpected|Expected|Unterminated|Bad) .*\bJSON\b.*/s, 'invalid JSON')
  const withoutQueries = unquoted.replaceAll(/\?[^\s"'<>]+/g, '?…')
  return maskSecrets(withoutQueries).slice(0, MAX_MESSAGE_CHARS)
}

const codeOf = (error: Error): string | null => {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : null
}

/** The store's thread sends a cause as its stack, because errors lose their class between threads. */
const causeOfText = (text: string): FaultCause => ({
  name: 'Error',
  code: null,
  message: safeMessage('Error', text.replace(/\n.*/s, '')),
  stack: framesOf(text),
})

const causeOf = (thrown: unknown): FaultCause => {
  if (typeof thrown === 'string') return causeOfText(thrown)
  // another thrown value may contain secrets
  if (!(thrown instanceof Error))
    return { name: typeof thrown, code: null, message: 'no error was thrown', stack: [] }
  return {
    name: thrown.name,
    code: codeOf(thrown),
    message: safeMessage(thrown.name, thrown.message),
    stack: framesOf(thrown.stack ?? ''),
  }
}

/** An AggregateError, such as one with an error per address of a host, continues with the first. */
const nextCause = (thrown: unknown): unknown => {
  if (!(thrown instanceof Error)) return undefined
  return thrown instanceof AggregateError ? (thrown.errors[0] as unknown) : thrown.cause
}

/** The chain of causes, limited in links, frames and characters, because a chain may be circular. */
export const causesOf = (thrown: unknown): FaultCause[] => {
  const causes: FaultCause[] = []
  let link = thrown
  do {
    causes.push(causeOf(link))
    link = nextCause(link)
  } while (link !== undefined && link !== null && causes.length < MAX_CAUSES)
  return causes
}

/** Counts of zero. */
export const noFaults = <Kind extends string>(kinds: readonly Kind[]): Record<Kind, number> =>
  Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Kind, number>

export const createFaultLog = <Kind extends string>({
  write,
  counts,
  now,
}: FaultLogOptions<Kind>): ReportFault<Kind> => {
  const written = new Map<Kind, { second: number; lines: number; suppressed: number }>()
  return (kind, error, data) => {
    counts[kind]++
    const second = Math.floor(now() / 1000)
    const last = written.get(kind) ?? { second, lines: 0, suppressed: 0 }
    written.set(kind, last)
    if (last.second !== second) Object.assign(last, { second, lines: 0 })
    if (last.lines >= LINES_PER_SECOND) {
      last.suppressed++
      return
    }
    const { suppressed } = last
    last.lines++
    last.suppressed = 0
    write({ ...data, kind, count: counts[kind], suppressed, causes: causesOf(error) })
  }
}
