/** Where the server is, and how a connection to it is secured. */
import { readFileSync } from 'node:fs'
import type { ClientConfig } from 'pg'
import { AppError } from '../../../errors.ts'

export interface ServerOptions {
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
  /** file of the certificates that are trusted, PEM; null: those of Node */
  caFile: string | null
  /** binds the password's proof to the connection, where the server offers it */
  bindsChannel: boolean
}

/** For messages: nothing of it is secret. */
export const placeOf = ({ host, port, database }: ServerOptions): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}/${database}`

const readCa = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new AppError(
      'invalid-config',
      `the file of certificates ${path} cannot be read: check sslrootcert in DATABASE_URL`,
      { cause }
    )
  }
}

/** @throws AppError `invalid-config` when the file of certificates cannot be read */
export const connectionOf = (server: ServerOptions): ClientConfig => {
  const { host, port, database, user, password, tls, caFile, bindsChannel } = server
  return {
    host,
    port,
    database,
    ...(user === null ? {} : { user }),
    ...(password === null ? {} : { password }),
    enableChannelBinding: bindsChannel,
    ssl:
      tls === 'disable'
        ? false
        : {
            ...(caFile === null ? {} : { ca: readCa(caFile) }),
            ...(tls === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
          },
  }
}
