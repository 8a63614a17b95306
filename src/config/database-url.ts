/**
 * The URL of a database: where its servers are, who connects, and how the connection is secured. Pure. A URL
 * has a password, so no message repeats any of it but the name of a parameter.
 */

interface DatabaseHost {
  /** a name, an address, or the folder of a Unix socket */
  host: string
  port: number
}

export interface DatabaseServer {
  /** one at least; with several the primary is looked for among them */
  hosts: DatabaseHost[]
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
const SEVERAL = 'several hosts are written as postgres://user:password@h1:5432,h2:5432/database'
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

interface SplitUrl {
  /** with the first host alone */
  url: URL
  /** the further ones, as they are written */
  others: string[]
}

/** Takes the further hosts out, which the standard of URLs does not know. */
const split = (text: string): SplitUrl | null => {
  const [, scheme, user = '', authority, rest] =
    /^(postgres(?:ql)?:\/\/)([^/?#]*@)?([^/?#]*)(.*)$/s.exec(text) ?? []
  if (authority === undefined) return null
  const [first, ...others] = authority.split(',')
  const single = `${scheme}${user}${first}${rest}`
  return URL.canParse(single) ? { url: new URL(single), others } : null
}

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
  const attrs = parameters.get('target_session_attrs')
  if (attrs !== null && !SESSION_ATTRS.includes(attrs))
    return `has target_session_attrs other than ${SESSION_ATTRS.join(' and ')}; leave it out`
  return null
}

const isPath = (host: string): boolean => host.startsWith('/')

/** One host and its port, as in a URL. @returns null when it is neither */
const hostOf = (text: string): DatabaseHost | null => {
  const [, bracketed, plain, digits] =
    /^(?:\[([\da-f:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/i.exec(text) ?? []
  const name = bracketed ?? (plain === undefined ? null : decoded(plain))
  const port = digits === undefined ? DEFAULT_PORT : Number(digits)
  return name === undefined || name === null || port < 1 || port > 65_535
    ? null
    : { host: name, port }
}

/** @returns what is wrong with the hosts, or all of them */
const hostsOf = ({ url, others }: SplitUrl): string | DatabaseHost[] => {
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port)
  const given = url.searchParams.get('host')
  if (given !== null) {
    if (given === '' || given.includes(',') || others.length > 0)
      return `${FORM}, with one host in the parameter host; ${SEVERAL}`
    return [{ host: given, port }]
  }
  const name = decoded(url.hostname)
  if (name === null) return `${FORM}; write % as %25`
  if (name === '') return `${FORM}, with a host`
  const further = others.map(hostOf)
  if (further.includes(null)) return `has a host that is empty or has no valid port; ${SEVERAL}`
  const hosts = [{ host: name.replace(/^\[|\]$/g, ''), port }, ...(further as DatabaseHost[])]
  const places = new Set(hosts.map((one) => `${one.host} ${one.port}`))
  return places.size < hosts.length ? `names a host twice; ${SEVERAL}` : hosts
}

const tlsOf = (mode: string | null, hosts: DatabaseHost[]): DatabaseServer['tls'] => {
  if (mode !== null) return TLS_MODES[mode]!
  const isLocal = hosts.every(({ host }) => isPath(host) || LOCAL.has(host))
  return isLocal ? 'disable' : 'verify-full'
}

/** @param text the URL @param caFile of DATABASE_CA_FILE, used where the URL names none */
export const parseDatabaseUrl = (text: string, caFile: string | null): Parsed => {
  const parts = split(text)
  if (parts === null) return { mistake: FORM }
  const { url } = parts
  const parameters = url.searchParams
  const mistake = parameterMistake(parameters)
  if (mistake !== null) return { mistake }
  const texts = [url.username, url.password, url.pathname.slice(1)].map(decoded)
  if (texts.includes(null)) return { mistake: `${FORM}; write % as %25` }
  const [user, password, database] = texts as [string, string, string]
  const hosts = hostsOf(parts)
  if (typeof hosts === 'string') return { mistake: hosts }
  if (database === '' || database.includes('/')) return { mistake: `${FORM}, with one database` }
  if (url.hash !== '') return { mistake: `${FORM}; write # as %23` }
  return {
    server: {
      hosts,
      database,
      user: user === '' ? parameters.get('user') : user,
      password: password === '' ? null : password,
      tls: tlsOf(parameters.get('sslmode'), hosts),
      caFile: parameters.get('sslrootcert') ?? caFile,
      bindsChannel: ['prefer', 'require'].includes(parameters.get('channel_binding') ?? ''),
    },
  }
}
