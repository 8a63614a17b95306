/** All areas of a store on one database. */
import { createRedactor } from '../../core/log/redact.ts'
import { createAppender, type CaptureOptions } from '../log/appender.ts'
import { Dictionaries } from '../log/dictionaries.ts'
import type { OpenStore, Store } from '../store.ts'
import type { CommonConnection } from './connection.ts'
import { createFeedbackStore } from './feedback.ts'
import { createInternalizationStore } from './internalizations.ts'
import { createKeptResponseStore } from './kept-responses.ts'
import { createKeyStore } from './keys.ts'
import { createLeaseStore, fenced } from './leases.ts'
import { recordWriter } from './log/append.ts'
import { blankLost } from './log/prune.ts'
import { createRecordStore } from './log/records.ts'
import { createPairStore } from './pairs.ts'
import { createRouteStore } from './routes.ts'
import { createSnapshotStore } from './snapshots.ts'
import { createTemplateStore } from './templates.ts'

/** What each database does in its own way. */
export interface OpenedDatabase {
  connection: CommonConnection
  /** Makes the space of deleted rows of the log free. */
  giveBack: () => Promise<void>
  /** Makes deleted rows unreadable. */
  scrub: () => Promise<void>
  close: () => Promise<void>
}

export const openStoreOn = (
  { connection, giveBack, scrub, close }: OpenedDatabase,
  { redact = null, ...options }: CaptureOptions
): OpenStore => {
  const dictionaries = new Dictionaries()
  const redactor = redact === null ? null : createRedactor(redact)
  const { flush, ...appender } = createAppender(
    recordWriter(connection, dictionaries),
    options,
    redactor
  )
  const areasOn = (on: CommonConnection): Store => {
    const upkeep = {
      dictionaries,
      giveBack,
      scrub: async () => {
        await blankLost(on)
        await scrub()
      },
    }
    return {
      records: { ...createRecordStore(on, upkeep), ...appender },
      templates: createTemplateStore(on),
      internalizations: createInternalizationStore(on),
      pairs: createPairStore(on),
      feedback: createFeedbackStore(on, redactor),
      keptResponses: createKeptResponseStore(on),
      routes: createRouteStore(on),
      keys: createKeyStore(on),
      snapshots: createSnapshotStore(on),
    }
  }
  let closing: Promise<void> | null = null
  return {
    ...areasOn(connection),
    leases: createLeaseStore(connection),
    under: (lease) => areasOn(fenced(connection, lease)),
    close: () => (closing ??= flush().then(close)),
  }
}
