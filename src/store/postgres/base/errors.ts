/**
 * Errors of the driver as errors with advice. Neither a message nor a cause has values of a statement, a
 * password or a URL: the driver's own errors and those of the query builder quote them.
 */
import { DatabaseError } from 'pg'
import { AppError } from '../../../errors.ts'

/** Also of a server that says so before a statement fails. */
export const READ_ONLY =
  'it is read-only: connect to the primary, and check default_transaction_read_only of the role'

/** Cause and advice by SQLSTATE, or by the code of a connection's error. */
const ADVICE: Record<string, string> = {
  '08P01': 'the server, or a pooler before it, refused the connection: check user and database',
  '25006': READ_ONLY,
  '25P03': 'a transaction was idle for too long and was ended: try again',
  '40001': 'there was a conflict with another transaction: try again',
  '40P01': 'there was a conflict with another transaction: try again',
  '42501': 'the user may not do this: make the user the owner of the schema promptintern',
  '53100': 'no disk space is left: free some or shorten the retention',
  '53200': 'the server is out of memory, or of locks: raise max_locks_per_transaction',
  '53300': 'the server has no free connection: raise max_connections, or put PgBouncer before it',
  '55P03': 'another transaction holds a lock for too long: end it',
  '57014': 'the server took too long for a statement: check its load',
  '57P01': 'the server is shutting down',
  '57P02': 'the server restarts after a crash of one of its processes',
  '57P03': 'the server is starting up or shutting down',
  CERT_HAS_EXPIRED: 'the certificate of the server has expired: renew it',
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'the certificate of the server is self-signed: name it as sslrootcert in DATABASE_URL',
  EACCES: 'access to the socket is denied: check its owner',
  ECONNREFUSED: 'no server listens there: check host and port, and start the server',
  ECONNRESET: 'the connection was lost: check server and network',
  EPIPE: 'the connection was lost: check server and network',
  EHOSTUNREACH: 'the host cannot be reached: check host and network',
  ENOENT: 'there is no socket: check the folder, and start the server',
  ENOTFOUND: 'the host is unknown: check its name',
  EAI_AGAIN: 'the host cannot be looked up: check the name service',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'the certificate of the server is for another host: check the host, or set sslmode=verify-ca',
  ETIMEDOUT: 'the host does not answer: check host, port and firewall',
  SELF_SIGNED_CERT_IN_CHAIN:
    'the authority of the certificate of the server is not known: name it as sslrootcert in DATABASE_URL',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'the authority of the certificate of the server is not known: name it as sslrootcert in DATABASE_URL',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'the authority of the certificate of the server is not known: name it as sslrootcert in DATABASE_URL',
}

/** The same, of mistakes in the configuration. */
const CONFIG_ADVICE: Record<string, string> = {
  '28000': 'the server refuses the user: check the user, sslmode and pg_hba.conf',
  '28P01': 'the server refuses the password: check user and password',
  '3D000': 'there is no such database: create it',
}

interface MessageAdvice {
  pattern: RegExp
  advice: string
  isMistake?: true
}

/** Errors of the driver that have no code, by what they say. */
const WITHOUT_CODE: MessageAdvice[] = [
  {
    pattern: /does not support SSL/,
    advice:
      'the server does not speak TLS: switch it on there, or set sslmode=disable in DATABASE_URL',
    isMistake: true,
  },
  {
    pattern: /password must be a (non-empty )?string/,
    advice: 'the server wants a password: put one into DATABASE_URL, PGPASSWORD or ~/.pgpass',
    isMistake: true,
  },
  {
    pattern: /timeout|timed out/i,
    advice: 'the server does not answer in time: check host, port and load',
  },
  {
    pattern: /terminated|ended/i,
    advice: 'the connection was lost: check server and network',
  },
]

interface DriverError {
  code: string
  message: string
  stack: string
}

/** The innermost error: those around it are the query builder's, and quote the values. */
const innermost = (error: unknown): Error => {
  let inner = error instanceof Error ? error : new Error(String(error))
  while (inner.cause instanceof Error) inner = inner.cause
  // Node's error of several addresses
  if (inner instanceof AggregateError && inner.errors[0] instanceof Error) inner = inner.errors[0]
  return inner
}

const read = (error: unknown): DriverError => {
  const { message, stack, ...rest } = innermost(error) as Error & { code?: unknown }
  const code = typeof rest.code === 'string' ? rest.code : ''
  return { code, message, stack: stack ?? message }
}

/** The code and the primary message, which have no values, and where it happened. */
const causeOf = ({ code, message, stack }: DriverError): Error => {
  const cause = new Error(code === '' ? message : `${code}: ${message}`)
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line))
  cause.stack = [`${cause.name}: ${cause.message}`, ...frames].join('\n')
  return Object.assign(cause, { code })
}

export const codeOf = (error: unknown): string => read(error).code

/** Whether the server said it, over a connection that still works. */
export const isOfServer = (error: unknown): boolean => innermost(error) instanceof DatabaseError

/** Read-only, or ending: another server may be the primary now. Class 08 is of connections. */
const GONE = /^(25006|57P0[123]|08...)$/

/** Whether the connection, or the server as the primary, is lost: another one is to be looked for. */
export const isLost = (error: unknown): boolean =>
  !(error instanceof AppError) && (!isOfServer(error) || GONE.test(codeOf(error)))

/**
 * @param place of the server, without secrets; an AppError stays as it is
 * @param hasConnected whether the configuration was right once
 */
export const storeError = (error: unknown, place: string, hasConnected: boolean): AppError => {
  if (error instanceof AppError) return error
  const driver = read(error)
  const { code, message } = driver
  const known = WITHOUT_CODE.find(({ pattern }) => pattern.test(message))
  const advice = CONFIG_ADVICE[code] ?? ADVICE[code] ?? known?.advice ?? message
  const isMistake = !hasConnected && (code in CONFIG_ADVICE || known?.isMistake === true)
  return new AppError(
    isMistake ? 'invalid-config' : 'store-unavailable',
    `database ${place}: ${advice}`,
    { cause: causeOf(driver) }
  )
}

const UNIQUE_VIOLATION = '23505'

/** Runs an insert or update. @throws the given conflict where a row with its key exists */
export const orConflict = async <T>(
  statement: PromiseLike<T>,
  conflict: (cause: unknown) => AppError
): Promise<T> => {
  try {
    return await statement
  } catch (error) {
    throw codeOf(error) === UNIQUE_VIOLATION ? conflict(causeOf(read(error))) : error
  }
}
