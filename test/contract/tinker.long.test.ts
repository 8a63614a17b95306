/** The engine at Tinker, over a stand-in for the provider's SDK. Skipped without a Python with numpy. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createTinkerBackend } from '../../adapters/tinker/backend.ts'
import { openEngine } from '../../src/opening.ts'
import { parseConfig } from '../../src/config/config.ts'
import { writeRandomModel } from '../kit/model/random-model.ts'
import { FAKE_BASE, FakeProvider, missingForTinker } from '../kit/tinker/fake-provider.ts'
import { serveEngine, until } from './harness.ts'
import { describeContract } from './suite.ts'
import { tinyModel } from './tiny-model.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const missing = missingForTinker()
if (missing === null) {
  const folder = sharedFolder()
  const modelPath = join(folder, 'tiny')
  writeRandomModel(modelPath, { seed: 11 })
  const provider = new FakeProvider(join(folder, 'provider'), modelPath)
  const tiny = tinyModel(400)
  describeContract(
    "tinker, the provider's SDK by a stand-in",
    async (dataDir) =>
      serveEngine(await createTinkerBackend(provider.backendDeps(dataDir)), dataDir),
    {
      ...tiny,
      provider: 'a stand-in',
      shortTraining: { ...tiny.shortTraining, learning_rate: 3e-2 },
      lacks: {
        'slow-answer':
          'the provider gives an answer whole, so a stream shows nothing before its end',
        'json-object': 'the provider binds no answer to a grammar',
        'bound-calls': 'the provider binds no answer to a grammar',
      },
    }
  )

  it('is started by the composition root as ENGINE=tinker, and its key stays with the SDK', async () => {
    const { python } = provider.backendDeps(folder)
    const config = parseConfig({
      ENGINE: 'tinker',
      DATA_DIR: join(folder, 'started'),
      MODEL_PATH: modelPath,
      TINKER_BASE_MODEL: FAKE_BASE,
      TINKER_API_KEY: 'a-key-of-the-provider',
      TINKER_PYTHON: python,
    })
    mkdirSync(join(folder, 'started/engine'), { recursive: true })
    const engine = await openEngine(config, (error) => {
      throw error
    })
    try {
      expect(await engine.engine.countTokens('tiny', 'one two')).toBeGreaterThan(0)
      await until(
        () => provider.calls('get_server_capabilities').length,
        (count) => count > 0
      )
    } finally {
      await engine.close()
    }
    const everything = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    expect(everything.join('\n')).not.toContain('a-key-of-the-provider')
  })
} else
  describe.skip(`engine contract: tinker (${missing})`, () => it('is skipped', () => undefined))
