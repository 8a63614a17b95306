/** Prepares the data of a server with a live route for what `chatBody` sends. */
import { openSqliteStore } from '../../../src/store/thread/open.ts'
import type { Store } from '../../../src/store/store.ts'
import { exampleApproved, LIVE_STATE } from '../records/examples.ts'
import { ROUTE, TEMPLATE } from '../proxy/lora-route.ts'

/** The fake engine's base model answers as a lora would. */
export const putLive = async (store: Store): Promise<void> => {
  await store.templates.upsert([TEMPLATE])
  await store.internalizations.create(
    exampleApproved(ROUTE.internalizationId, {
      tenant: TEMPLATE.tenant,
      templateVersion: TEMPLATE.version,
      state: LIVE_STATE,
    })
  )
  await store.routes.put({ ...ROUTE, engine: 'default', lora: 'fake-base', threshold: -1e9 })
}

export const goLive = async (dataDir: string): Promise<void> => {
  const store = await openSqliteStore({ dataDir })
  await putLive(store)
  await store.close()
}
