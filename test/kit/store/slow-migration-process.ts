/** A program of a next version whose migration stands still in its middle, to be killed there. */
import type { DatabaseServer } from '../../../src/config/database-url.ts'
import { nextMigration, upgrade } from './newer-migration.ts'

const database = JSON.parse(process.argv[2]!) as DatabaseServer
const { statements } = nextMigration()
await upgrade(database, nextMigration({ statements: [...statements, 'select pg_sleep(600)'] }))
