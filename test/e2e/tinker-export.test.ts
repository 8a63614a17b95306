/** An export of the provider, read by the engine's own Python. Skipped without a Python with numpy. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { writeRandomModel } from '../kit/model/random-model.ts'
import { fromRoot } from '../kit/process/from-root.ts'
import { FakeProvider, missingForTinker, tinkerPython } from '../kit/tinker/fake-provider.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const missing = missingForTinker()

const folder = sharedFolder()
const sdk = new FakeProvider(folder, join(folder, 'tiny'))
beforeAll(() => writeRandomModel(sdk.modelPath, { seed: 11 }))

const SCRIPT = `
import sys
import archive
archive.MOST_BYTES = 1000
try:
    print(len(archive._get(sys.argv[1], "secret-key")))
except BaseException as error:
    print(type(error).__name__, error)
`

const servers: Server[] = []
const listen = async (answer: RequestListener): Promise<string> => {
  const server = createServer(answer).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const read = async (url: string): Promise<string> => {
  const env = {
    ...process.env,
    ...sdk.env,
    PYTHONPATH: `${sdk.env['PYTHONPATH']}:${fromRoot('adapters/tinker')}`,
  }
  const { stdout } = await promisify(execFile)(tinkerPython, ['-c', SCRIPT, url], { env })
  return stdout.trim()
}

describe.skipIf(missing !== null)(`an export${missing === null ? '' : ` (${missing})`}`, () => {
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      server.close()
    }
  })

  it('is read from where the provider sends it, which does not get the key', async () => {
    const headers: IncomingMessage['headers'][] = []
    const store = await listen((request, response) => {
      headers.push(request.headers)
      response.end('weights')
    })
    const provider = await listen((request, response) => {
      headers.push(request.headers)
      response.writeHead(302, { location: `${store}/signed` }).end()
    })
    expect(await read(`${provider}/archive`)).toBe('7')
    expect(headers.map((sent) => sent['x-api-key'])).toEqual(['secret-key', undefined])
  })

  it('that breaks off is a provider that is away, not a disk that is full', async () => {
    const cut = await listen((_, response) => {
      response.writeHead(200, { 'content-length': '900' })
      response.write('half', () => response.socket!.resetAndDestroy())
    })
    expect(await read(cut)).toMatch(/^TimeoutError the export cannot be read/)
  })

  it('that has no end is not kept', async () => {
    const endless = await listen((_, response) => {
      const more = (): void => void (response.writable && response.write('x'.repeat(1000), more))
      more()
    })
    expect(await read(endless)).toMatch(/^TrainingError .*more than 1000 bytes/)
  })
})
