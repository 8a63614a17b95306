/** Where the server is, and how a connection to it is secured. */
import { readFileSync } from 'node:fs'
import type { ClientConfig } from 'pg'
import { AppError } from '../../../errors.ts'
import type { DatabaseServer } from '../../../config/database-url.ts'

/** For messages: nothing of it is secret. */
export const placeOf = ({ host, port, database }: DatabaseServer): string =>
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
export const connectionOf = (server: DatabaseServer): ClientConfig => {
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
