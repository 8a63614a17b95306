/** What the GPU engine's image, its compose file and the trainer's lock refer to is there. None is built here. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { fromRoot } from './kit/process/from-root.ts'

const read = (path: string): string => readFileSync(fromRoot(path), 'utf8')

/** Name and rest of each, comments left out and lines joined. */
const instructions = read('adapters/gpu/Dockerfile')
  .replaceAll(/^\s*#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, ' ')
  .split('\n')
  .filter(Boolean)
  .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const)

const restsOf = (name: string): string[] =>
  instructions.filter(([one]) => one === name).map(([, rest]) => rest)

interface Build {
  context: string
  dockerfile: string
  args: Record<string, string>
}

interface Compose {
  services: Record<
    string,
    {
      build: string | Build
      environment: Record<string, string>
      volumes: string[]
      ports?: string[]
      healthcheck?: object
      deploy?: { resources: { reservations: { devices: object[] } } }
    }
  >
  volumes: Record<string, null>
}

const compose = parse(read('adapters/gpu/compose.yaml')) as Compose
const { engine, proxy } = compose.services

describe('the image of the GPU engine', () => {
  it('copies what is there, the program and all of the trainer but its tests', () => {
    const sources = restsOf('COPY')
      .filter((rest) => !rest.startsWith('--from'))
      .flatMap((rest) => rest.split(' ').slice(0, -1))
    for (const source of sources.filter((one) => !one.includes('*')))
      expect(existsSync(fromRoot(source)), source).toBe(true)
    expect(sources).toContain('adapters/trainer/*.py')
    // a package in a folder would be left out
    const folders = readdirSync(fromRoot('adapters/trainer'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => name)
      .filter((name) => !name.startsWith('__'))
    expect(folders).toEqual(['tests'])
  })

  it('runs the engine as a user of its own, on base images with versions', () => {
    expect(restsOf('USER')).toEqual(['engine'])
    expect(restsOf('VOLUME')).toEqual(['/data'])
    expect(restsOf('CMD').at(-1)).toBe('["node", "dist/adapters/gpu/process.js"]')
    expect(existsSync(fromRoot('adapters/gpu/process.ts'))).toBe(true)
    expect(restsOf('HEALTHCHECK')[0]).toContain('/healthz')
    const images = restsOf('FROM').map((rest) => rest.split(' ')[0])
    const own = /FROM (node:\S+)/.exec(read('Dockerfile'))![1]
    expect(images).toEqual([
      own,
      'nvidia/cuda:${CUDA}-base-ubuntu24.04',
      'nvidia/cuda:${CUDA}-base-ubuntu24.04',
    ])
    expect(restsOf('ARG')[0]).toMatch(/^CUDA=\d+\.\d+\.\d+$/)
  })
})

describe('the compose file of proxy and GPU engine', () => {
  it('builds what is there', () => {
    const { context, dockerfile, args } = engine!.build as Build
    expect(fromRoot(`adapters/gpu/${context}`).replace(/\/$/, '')).toBe(
      fromRoot('.').replace(/\/$/, '')
    )
    expect(existsSync(fromRoot(dockerfile))).toBe(true)
    const known = restsOf('ARG').map((rest) => rest.split('=')[0])
    expect(Object.keys(args).filter((name) => !known.includes(name))).toEqual([])
    const whole = parse(read('compose.yaml')) as Compose
    expect(whole.services['engine']!.build).toMatchObject({ context: '.', dockerfile })
  })

  it('joins them by one token, without which nothing starts', () => {
    expect(proxy!.environment).toMatchObject({
      ENGINE: 'http',
      ENGINE_URL: 'http://engine:8000/v1',
    })
    expect(engine!.environment['ENGINE_TOKEN']).toBe(proxy!.environment['ENGINE_TOKEN'])
    expect(engine!.environment['ENGINE_TOKEN']).toMatch(/^\$\{ENGINE_TOKEN:\?/)
    expect(engine!.ports).toBeUndefined()
    expect(engine!.deploy!.resources.reservations.devices).toEqual([
      { driver: 'nvidia', count: 'all', capabilities: ['gpu'] },
    ])
    for (const one of [engine!, proxy!]) expect(one.healthcheck).toBeDefined()
  })

  it('declares its volumes', () => {
    const mounted = [engine!, proxy!]
      .flatMap(({ volumes }) => volumes.map((volume) => volume.split(':')[0]!))
      .filter((name) => !name.startsWith('$'))
    expect(new Set(mounted)).toEqual(new Set(Object.keys(compose.volumes)))
  })
})

describe('the unit of systemd', () => {
  const unit = read('deploy/engine.service')
  const valuesOf = (name: string): string[] =>
    [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value!)

  it('starts what the image starts', () => {
    const [, program] = JSON.parse(restsOf('CMD').at(-1)!.replace(/^CMD /, '')) as string[]
    expect(valuesOf('ExecStart')).toEqual([`/usr/bin/env node ${program}`])
  })

  it('keeps data where the service may write, and lets the engine end its processes', () => {
    const folder = `/var/lib/${valuesOf('StateDirectory')[0]}`
    expect(valuesOf('Environment').join(' ')).toContain(`ENGINE_DATA_DIR=${folder}`)
    expect([valuesOf('KillMode'), valuesOf('Restart')]).toEqual([['mixed'], ['always']])
    // the grace of a training's last step and checkpoint
    expect(Number(valuesOf('TimeoutStopSec')[0])).toBeGreaterThan(15)
  })
})

const named = (found: RegExpExecArray[]) =>
  found.map(([, name, range]) => `${name} ${range!.split(',').filter(Boolean).sort().join()}`)

describe('the lock of the trainer', () => {
  const lock = read('adapters/trainer/uv.lock')

  it('names PyPI alone', () => {
    const hosts = new Set([...lock.matchAll(/https?:\/\/[^/"]+/g)].map(([host]) => host))
    expect([...hosts].sort()).toEqual(['https://files.pythonhosted.org', 'https://pypi.org'])
  })

  it('is of the dependencies of pyproject.toml', () => {
    const project = read('adapters/trainer/pyproject.toml')
    const own = lock.slice(lock.indexOf('name = "promptintern-trainer"'))
    const metadata = own.slice(own.indexOf('[package.metadata]'), own.indexOf('\n[[package]]'))
    const locked = [...metadata.matchAll(/name = "([^"]+)".*?specifier = "([^"]+)"/g)]
    const wanted = [...project.matchAll(/"([a-z0-9-]+)((?:[<>]=?[\d.]+,?)+)(?:;[^"]*)?"/g)]
    expect(named(locked).sort()).toEqual(named(wanted).sort())
    expect(wanted.length).toBeGreaterThan(6)
  })
})
