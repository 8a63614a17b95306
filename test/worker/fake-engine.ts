/** The fake engine in the test's own process, behind the engine contract. */
import { join } from 'node:path'
import { createFakeBackend, type FakeBackendOptions } from '../../adapters/fake/backend.ts'
import { openEngineHost, type EngineHost } from '../../adapters/contract/host.ts'
import { createEngine } from '../../src/engine/client.ts'
import type { Engine } from '../../src/engine/engine.ts'

export interface HostedEngine {
  host: EngineHost
  engine: Engine
}

/** @param folder for its files; opened again it goes on with them */
export const openFakeEngine = async (
  folder: string,
  options: Partial<FakeBackendOptions> = {}
): Promise<HostedEngine> => {
  const dataDir = join(folder, 'engine')
  const host = await openEngineHost({
    backend: await createFakeBackend({ ...options, dataDir }),
    dataDir,
    token: 'token',
    log: () => {},
  })
  const engine = createEngine({
    name: 'default',
    baseUrl: 'http://engine/v1',
    token: 'token',
    fetch: async (input, init) => host.app.fetch(new Request(input, init)),
  })
  return { host, engine }
}
