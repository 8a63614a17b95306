/** The engine at Tinker, over a stand-in for the provider's SDK. Skipped without a Python with numpy. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, it } from 'vitest'
import { createTinkerBackend } from '../../adapters/tinker/backend.ts'
import { writeRandomModel } from '../kit/model/random-model.ts'
import { FakeProvider, missingForTinker } from '../kit/tinker/fake-provider.ts'
import { serveEngine } from './harness.ts'
import { describeContract } from './suite.ts'
import { tinyModel } from './tiny-model.ts'

const missing = missingForTinker()
if (missing === null) {
  const folder = mkdtempSync(join(tmpdir(), 'contract-tinker-'))
  afterAll(() => rmSync(folder, { recursive: true }))
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
      shortTraining: { ...tiny.shortTraining, learning_rate: 3e-2 },
      lacks: {
        'slow-answer':
          'the provider gives an answer whole, so a stream shows nothing before its end',
        'json-object': 'the provider binds no answer to a grammar',
        'bound-calls': 'the provider binds no answer to a grammar',
      },
    }
  )
} else
  describe.skip(`engine contract: tinker (${missing})`, () => it('is skipped', () => undefined))
