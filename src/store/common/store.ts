/** All areas of a store on one connection. */
import type { Redactor } from '../../core/log/redact.ts'
import type { Appender } from '../log/appender.ts'
import type { KeyStore, Store } from '../store.ts'
import type { CommonConnection } from './connection.ts'
import { createFeedbackStore } from './feedback.ts'
import { createInternalizationStore } from './internalizations.ts'
import { createKeptResponseStore } from './kept-responses.ts'
import { createKeyStore } from './keys.ts'
import type { Upkeep } from './log/prune.ts'
import { createRecordStore } from './log/records.ts'
import { createPairStore } from './pairs.ts'
import { createRouteStore } from './routes.ts'
import { createSnapshotStore } from './snapshots.ts'
import { createTemplateStore } from './templates.ts'

interface Parts {
  appender: Omit<Appender, 'flush'>
  /** replaces secrets in comments; null: nothing */
  redactor: Redactor | null
  renew: KeyStore['renew']
  upkeep: Upkeep
}

export const areasOf = (
  connection: CommonConnection,
  { appender, redactor, renew, upkeep }: Parts
): Store => ({
  records: { ...createRecordStore(connection, upkeep), ...appender },
  templates: createTemplateStore(connection),
  internalizations: createInternalizationStore(connection),
  pairs: createPairStore(connection),
  feedback: createFeedbackStore(connection, redactor),
  keptResponses: createKeptResponseStore(connection),
  routes: createRouteStore(connection),
  keys: createKeyStore(connection, renew),
  snapshots: createSnapshotStore(connection),
})
