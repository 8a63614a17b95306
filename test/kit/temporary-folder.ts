/** Temporary folders of tests. Each is removed when the tests that use it are over. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, onTestFinished } from 'vitest'

const newFolder = (): string => mkdtempSync(join(tmpdir(), 'promptintern-test-'))

const remove = (folder: string): void => rmSync(folder, { recursive: true, force: true })

/** For all tests of the file or block that calls this; it is removed after what its later `afterAll` hooks stop. */
export const sharedFolder = (): string => {
  const folder = newFolder()
  afterAll(() => remove(folder))
  return folder
}

/** For the one test that calls this, or for the next one where a `beforeEach` hook calls it. */
export const ownFolder = (): string => {
  const folder = newFolder()
  onTestFinished(() => remove(folder))
  return folder
}
