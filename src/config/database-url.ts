/**
 * The URL of a database: where its server is, who connects, and how the connection is secured. Pure. A URL
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
  /** `verify-ca` takes a certificate of any host */
  tls: 'disable' | 'verify-ca' | 'verify-full'
  /** file of trusted certificates, PEM; null: those of Node */
  caFile: string | null
  /** binds the password's proof to the connection, where the server offers it */
  bindsChannel: boolean
}

const FORM = 'must be postgres://user:password@host:5432/database'
const ONE_HOST =
  'must have one host: a name or an address of the primary (use DNS, HAProxy or Patroni for failover)'
const DEFAULT_PORT = 5432
const LOCAL = new Set(['localhost', '127.0.0.1', '::1'])

/** Those that fall back to plain text, or do not look at the certificate, are not among them. */
const TLS_MODES = new Map<string | null, DatabaseServer['tls']>([
  ['disable', 'disable'],
  // without a look at the certificate anyone in between could read all
  ['require', 'verify-full'],
  ['verify-ca', 'verify-ca'],
  ['verify-full', 'verify-full'],
])

const PARAMETERS = new Set([
  'host',
  'user',
  'sslmode',
  'sslrootcert',
  'channel_binding',
  'application_name',
  'target_session_attrs',
])

/** What is looked for in any case. */
const SESSION_ATTRS = ['read-write', 'primary']

/** @returns what is wrong with the URL, or the server */
type Parsed = { mistake: string } | { server: DatabaseServer }

const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

const parameterMistake = (parameters: URLSearchParams): string | null => {
  const unknown = [...parameters.keys()].find((name) => !PARAMETERS.has(name))
  if (unknown !== undefined)
    return `has an unknown parameter ${unknown}; known are ${[...PARAMETERS].join(', ')}`
  const mode = parameters.get('sslmode')
  if (mode !== null && !TLS_MODES.has(mode))
    return (
      `has an sslmode that is not ${[...TLS_MODES.keys()].join(', ')}; ` +
      'prefer and allow would fall back to plain text'
    )
  const attrs = parameters.get('target_session_attrs')
  if (attrs !== null && !SESSION_ATTRS.includes(attrs))
    return `has target_session_attrs other than ${SESSION_ATTRS.join(' and ')}; leave it out`
  return null
}

const isPath = (host: string): boolean => host.startsWith('/')

/** @returns what is wrong with the host, or the host */
const hostOf = ({ hostname, searchParams }: URL): { mistake: string } | { host: string } => {
  const given = searchParams.get('host')
  const host = given ?? decoded(hostname)?.replace(/^\[|\]$/g, '')
  if (host === undefined) return { mistake: `${FORM}; write % as %25` }
  if (host === '') return { mistake: `${FORM}, with a host` }
  return host.includes(',') ? { mistake: ONE_HOST } : { host }
}

const tlsOf = (mode: string | null, host: string): DatabaseServer['tls'] =>
  TLS_MODES.get(mode) ?? (isPath(host) || LOCAL.has(host) ? 'disable' : 'verify-full')

/** Several hosts with ports are no URL to the standard. */
const namesSeveral = (text: string): boolean => /^[^/]*\/\/[^/?#]*,/.test(text)

/** @param text the URL */
export const parseDatabaseUrl = (text: string): Parsed => {
  if (!/^postgres(ql)?:\/\//.test(text)) return { mistake: FORM }
  if (namesSeveral(text)) return { mistake: ONE_HOST }
  if (!URL.canParse(text)) return { mistake: FORM }
  const url = new URL(text)
  const parameters = url.searchParams
  const mistake = parameterMistake(parameters)
  if (mistake !== null) return { mistake }
  const texts = [url.username, url.password, url.pathname.slice(1)].map(decoded)
  if (texts.includes(null)) return { mistake: `${FORM}; write % as %25` }
  const [user, password, database] = texts as [string, string, string]
  const found = hostOf(url)
  if ('mistake' in found) return found
  if (database === '' || database.includes('/')) return { mistake: `${FORM}, with one database` }
  if (url.hash !== '') return { mistake: `${FORM}; write # as %23` }
  return {
    server: {
      host: found.host,
      port: url.port === '' ? DEFAULT_PORT : Number(url.port),
      database,
      user: user === '' ? parameters.get('user') : user,
      password: password === '' ? null : password,
      tls: tlsOf(parameters.get('sslmode'), found.host),
      caFile: parameters.get('sslrootcert'),
      bindsChannel: ['prefer', 'require'].includes(parameters.get('channel_binding') ?? ''),
    },
  }
}
