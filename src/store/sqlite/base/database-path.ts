/** Where the database is; apart from the driver, which the server's main thread does not load. */
import { join } from 'node:path'

const FILE_NAME = 'promptintern.sqlite'

export const databasePath = (dataDir: string): string => join(dataDir, FILE_NAME)
