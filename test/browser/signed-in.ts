/** The page over the real server, in a browser that is signed in. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { startServer } from '../kit/process/built.ts'
import { ADMIN_TOKEN, type ProxyProcess } from '../kit/process/proxy-process.ts'
import { openStore } from '../kit/store/local-store.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'
import { keepTexts, openBrowser, openTab, watchTab } from './chromium.ts'

interface SignedIn {
  server: ProxyProcess
  tab: Page
  /** what went wrong on any view */
  said: string[]
  /** @param path below `/admin` */
  open: (path: string) => Promise<unknown>
}

/**
 * For all tests of the block that calls this.
 * @param fill the store, before the start @param envOf settings beside DATA_DIR
 */
export const useSignedIn = (
  fill: (store: Store) => Promise<unknown>,
  envOf: (dataDir: string) => Record<string, string>
): SignedIn => {
  const dataDir = sharedFolder()
  let browser: Browser
  const used = {
    open: (path: string) => used.tab.goto(`${used.server.baseUrl}/admin${path}`),
  } as SignedIn
  beforeAll(async () => {
    const store = await openStore({ dataDir })
    await fill(store)
    await store.close()
    used.server = await startServer({
      DATA_DIR: dataDir,
      UPSTREAM_BASE_URL: 'http://127.0.0.1:9',
      ...envOf(dataDir),
    })
    browser = await openBrowser()
    used.tab = await (await openTab(browser)).newPage()
    used.said = watchTab(used.tab)
    await keepTexts(used.tab)
    await used.open('')
    await used.tab.getByLabel('Admin token').fill(ADMIN_TOKEN)
    await used.tab.getByLabel('Your name').fill('Ada')
    await used.tab.getByRole('button', { name: 'Sign in' }).click()
    await used.tab.getByRole('heading', { name: 'Overview' }).waitFor()
  })
  afterAll(async () => {
    await browser?.close()
    await used.server?.stop()
  })
  return used
}
