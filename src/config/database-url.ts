/**
 * The URL of a database: where the server is, who connects, and how the connection is secured. Pure. A URL
 * has a password, so no message repeats any of it but the name of a parameter.
 */

export interface DatabaseServer {
  /** a name, an address, or the folder of a Unix socket */
  host: string
  port: number
  database: string
  /** null: the user of the process */
  user: string | null
  /** null: PGPASSWORD or ~/.pgpass */
  password: string | null
  tls: 'disable' | 'verify-ca' | 'verify-full'
  /** file of trusted certificates, PEM; null: those of Node */
  caFile: string | null
  /** binds the password's proof to the connection, where the server offers it */
  bindsChannel: boolean
}

const FORM = 'must be postgres://user:password@host:5432/database'
const DEFAULT_PORT = 5432
const LOCAL = new Set(['localhost', '127.0.0.1', '::1'])

/** Those that fall back to plain text, or do not look at the certificate, are not among them. */
const TLS_MODES: Record<string, DatabaseServer['tls']> = {
  disable: 'disable',
  // without a look at the certificate anyone in between could read all
  require: 'verify-full',
  'verify-ca': 'verify-ca',
  'verify-full': 'verify-full',
}

const PARAMETERS = new Set([
  'host',
  'user',
  'sslmode',
  'sslrootcert',
  'channel_binding',
  'application_name',
])

/** @returns what is wrong with the URL, or the server */
type Parsed = { mistake: string } | { server: DatabaseServer }

const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

const urlOf = (text: string): URL | null => (URL.canParse(text) ? new URL(text) : null)

const parameterMistake = (parameters: URLSearchParams): string | null => {
  const unknown = [...parameters.keys()].find((name) => !PARAMETERS.has(name))
  if (unknown !== undefined)
    return `has an unknown parameter ${unknown}; known are ${[...PARAMETERS].join(', ')}`
  const mode = parameters.get('sslmode')
  if (mode !== null && !(mode in TLS_MODES))
    return (
      `has an sslmode that is not ${Object.keys(TLS_MODES).join(', ')}; ` +
      'prefer and allow would fall back to plain text'
    )
  return null
}

const isPath = (host: string): boolean => host.startsWith('/')

const tlsOf = (mode: string | null, host: string): DatabaseServer['tls'] => {
  if (mode !== null) return TLS_MODES[mode]!
  return isPath(host) || LOCAL.has(host) ? 'disable' : 'verify-full'
}

/** @param text the URL @param caFile of DATABASE_CA_FILE, used where the URL names none */
export const parseDatabaseUrl = (text: string, caFile: string | null): Parsed => {
  const url = urlOf(text)
  if (url === null || !['postgres:', 'postgresql:'].includes(url.protocol)) return { mistake: FORM }
  const { searchParams: parameters, port } = url
  const mistake = parameterMistake(parameters)
  if (mistake !== null) return { mistake }
  const parts = [url.hostname, url.username, url.password, url.pathname.slice(1)].map(decoded)
  if (parts.includes(null)) return { mistake: `${FORM}; write % as %25` }
  const [name, user, password, database] = parts as [string, string, string, string]
  const host = parameters.get('host') ?? name.replace(/^\[|\]$/g, '')
  if (host === '' || host.includes(',')) return { mistake: `${FORM}, with one host` }
  if (database === '' || database.includes('/')) return { mistake: `${FORM}, with one database` }
  if (url.hash !== '') return { mistake: `${FORM}; write # as %23` }
  return {
    server: {
      host,
      port: port === '' ? DEFAULT_PORT : Number(port),
      database,
      user: user === '' ? parameters.get('user') : user,
      password: password === '' ? null : password,
      tls: tlsOf(parameters.get('sslmode'), host),
      caFile: parameters.get('sslrootcert') ?? caFile,
      bindsChannel: ['prefer', 'require'].includes(parameters.get('channel_binding') ?? ''),
    },
  }
}
