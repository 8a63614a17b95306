/** The provider's client as a child: what it writes beside its answers. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { TinkerChild } from '../../adapters/publish/tinker/tinker-child.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()

it('what a library prints in a client of the provider is no answer, and ends no engine', async () => {
  const python = join(folder, 'python')
  const lines = ['5', 'null', '"text"', '[]', 'Loading', '{"id":1,"result":{"is":"answer"}}']
  writeFileSync(
    python,
    `#!/bin/sh\nread line\nprintf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')}\nexec cat\n`,
    { mode: 0o755 }
  )
  const child = new TinkerChild({
    command: { python, script: 'serve.py', baseModel: 'base', env: process.env },
    onConditions: () => undefined,
    log: () => undefined,
  })
  expect(await child.call({ call: 'score' })).toEqual({ is: 'answer' })
  await child.close()
})
