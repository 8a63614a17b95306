/** The package as a user gets it: built in a clone, packed, and installed in an empty folder. */
import { execFile, execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { startProxy } from '../kit/process/proxy-process.ts'
import { CLI } from '../kit/process/built.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

interface Manifest {
  version: string
  bin: Record<string, string>
  scripts: { build: string }
  publishConfig: object
}
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest

const folder = sharedFolder()
const clone = join(folder, 'clone')
let unbuilt: { version: string; status: object }
const installed = join(folder, 'installed')

const copyClone = (): void => {
  mkdirSync(clone)
  for (const path of [
    'bin',
    'package.json',
    'README.md',
    'LICENSE',
    'NOTICE',
    'migrations',
    'models',
    'src/admin/page/assets',
  ])
    cpSync(join(ROOT, path), join(clone, path), { recursive: true })
}

/** The build's own script, with the tests' compiled files in place of the compiler's. */
const buildClone = (): void => {
  symlinkSync(join(ROOT, 'node_modules'), join(clone, 'node_modules'))
  const compiled = dirname(dirname(CLI))
  const copy = `mkdir dist && cp -r "${compiled}/src" "${compiled}/adapters" "${compiled}/demo" dist`
  const script = manifest.scripts.build.replace('tsc -p tsconfig.build.json', copy)
  execFileSync('bash', ['-ec', script], { cwd: clone })
}

/** Only what the package declares as dependencies, from this checkout. */
const linkDependencies = (): void => {
  const paths = execFileSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: ROOT })
    .toString()
    .trim()
    .split('\n')
    .map((path) => relative(join(ROOT, 'node_modules'), path))
  for (const path of paths.filter((name) => /^(?:@[^/]+\/)?[^/.][^/]*$/.test(name))) {
    mkdirSync(dirname(join(installed, 'node_modules', path)), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', path), join(installed, 'node_modules', path))
  }
}

const pack = (): string => {
  execFileSync('npm', ['pack', '--pack-destination', folder], { cwd: clone, stdio: 'pipe' })
  return join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.tgz'))!
  )
}

/** As npx does it: a link into its cache, made at the first call and kept. */
const linkAndAsk = async (): Promise<string> => {
  const link = join(folder, 'promptintern')
  if (!existsSync(link)) symlinkSync(join(clone, manifest.bin.promptintern!), link)
  const { stdout } = await run(link, ['--version'], { env: { PATH: process.env.PATH } })
  return stdout.trim()
}

beforeAll(async () => {
  copyClone()
  unbuilt = {
    version: await linkAndAsk(),
    status: await run(process.execPath, [join(clone, manifest.bin.promptintern!), 'status']).catch(
      (error: { code: number; stderr: string }) => error
    ),
  }
  buildClone()
  const place = join(installed, 'node_modules', 'promptintern-proxy')
  mkdirSync(place, { recursive: true })
  execFileSync('tar', ['-xzf', pack(), '-C', place, '--strip-components=1'])
  linkDependencies()
}, 60_000)

describe('before the build', () => {
  it('the command has a version, and else says what to run', () => {
    expect(unbuilt.version).toBe(manifest.version)
    expect(unbuilt.status).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('npm ci && npm run build'),
    })
  })
})

describe('after the build', () => {
  it('the link that was made before it works', async () => {
    expect(await linkAndAsk()).toBe(manifest.version)
  })

  it('npm knows every setting of .npmrc', async () => {
    expect((await run('npm', ['prefix'], { cwd: ROOT })).stderr).not.toContain('npm warn')
  })

  it('the command of the clone can be executed', async () => {
    const command = join(clone, manifest.bin.promptintern!)
    expect((await run(command, ['--version'])).stdout.trim()).toBe(manifest.version)
  })
})

describe('a publication', () => {
  it('can be made as it is, with provenance, and installs without a script', async () => {
    const words = ['publish', '--dry-run', '--json', '--offline']
    const { stdout } = await run('npm', words, { cwd: clone, maxBuffer: 2 ** 26 })
    const published = JSON.parse(stdout) as Record<string, { files: { path: string }[] }>
    const paths = published['promptintern-proxy']!.files.map(({ path }) => path)
    expect(paths).toContain('bin/promptintern.js')
    expect(paths.filter((path) => /^(test|bench|demo)\b|\.env/.test(path))).toEqual([])
    const { publishConfig, scripts } = manifest
    expect(publishConfig).toEqual({ access: 'public', provenance: true })
    const atInstall = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublishOnly']
    expect(Object.keys(scripts).filter((name) => atInstall.includes(name))).toEqual([])
  })
})

describe('the package', () => {
  const place = join(installed, 'node_modules', 'promptintern-proxy')
  const command = join(place, manifest.bin.promptintern!)
  const inFolder = { cwd: installed, env: { PATH: process.env.PATH, HOME: folder } }

  it('has the program, migrations and the tiny model, and nothing of tests and benchmarks', () => {
    for (const path of ['migrations/sqlite', 'models/tiny/model.safetensors', 'NOTICE', 'LICENSE'])
      expect(existsSync(join(place, path)), path).toBe(true)
    expect(readdirSync(join(place, 'dist')).sort()).toEqual(['adapters', 'src'])
    expect(readdirSync(join(place, 'models'))).toEqual(['tiny'])
  })

  it('says that there is no data in an empty folder, and creates nothing', async () => {
    const before = readdirSync(installed)
    const failure = await run(process.execPath, [command, 'status'], inFolder).catch(
      (error: { code: number; stderr: string }) => error
    )
    expect(failure).toMatchObject({ code: 3, stderr: expect.stringContaining('DATA_DIR') })
    expect(readdirSync(installed)).toEqual(before)
  })

  it('serves with the embedded engine', async () => {
    const env = {
      DATA_DIR: join(installed, 'data'),
      ENGINE: 'onnx',
      MODEL_PATH: join(place, 'models', 'tiny'),
    }
    const proxy = await startProxy(env, { cli: command })
    expect((await fetch(`${proxy.baseUrl}/readyz`)).status).toBe(200)
    await proxy.stop()
  })
})

describe('fly.single.toml', () => {
  it('sets an engine with its model on the volume, and downloads it once', async () => {
    const text = readFileSync(join(ROOT, 'fly.single.toml'), 'utf8')
    const setting = (name: string): string =>
      new RegExp(`^${name} = "(.*)"$`, 'm').exec(text)?.[1] ?? ''
    expect(setting('ENGINE')).toBe('onnx')
    expect(setting('MODEL_PATH').startsWith(`${setting('destination')}/`)).toBe(true)
    expect(setting('DATA_DIR')).toBe(setting('destination'))
    const command = /^app = """(.*)"""$/m.exec(text)![1]!
    const model = join(folder, 'model')
    const start = async (): Promise<string> => {
      const shim = `node() { echo "$@"; }; export -f node; ${command.replaceAll('exec node', 'node').replace(/^sh /, 'bash ')}`
      return (await run('bash', ['-c', shim], { env: { ...process.env, MODEL_PATH: model } }))
        .stdout
    }
    expect(await start()).toBe('dist/src/cli.js models pull smollm2-135m\ndist/src/cli.js serve\n')
    mkdirSync(model)
    writeFileSync(join(model, 'model.safetensors'), '')
    expect(await start()).toBe('dist/src/cli.js serve\n')
  })
})
