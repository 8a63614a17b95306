import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')

interface Rule {
  /** our folders and files, beside the file's own place */
  ours: string[]
  packages: string[]
  /** `node:` modules; true for all of them */
  node: boolean | string[]
}

const EVERYTHING = ['src', 'adapters']
/** a digest is a pure function */
const DIGEST = ['node:buffer', 'node:crypto']
const CORE: Rule = {
  ours: ['src/core', 'src/openai', 'src/errors.ts', 'src/random.ts'],
  packages: [],
  node: DIGEST,
}

/** A store on one database: of the other one it knows nothing. */
const STORE: Omit<Rule, 'packages'> = {
  ours: [
    'src/core',
    'src/openai',
    'src/store/log',
    'src/store/common',
    'src/store/store.ts',
    'src/errors.ts',
    'src/package-folder.ts',
    'src/timers.ts',
  ],
  node: true,
}

/** Place → its rule; of several places that hold a file the longest counts. docs/architecture.md */
const RULES: Record<string, Rule> = {
  'src/main.ts': { ours: ['src'], packages: ['prom-client'], node: ['node:child_process'] },
  'src/opening.ts': {
    ours: ['src/config', 'src/engine', 'src/process', 'src/store', 'src/errors.ts', 'adapters'],
    packages: [],
    node: ['node:path'],
  },
  'src/cli.ts': { ours: ['src/cli', 'src/errors.ts'], packages: [], node: false },
  'src/cli': { ours: EVERYTHING, packages: ['cli-progress', 'commander', 'hono'], node: true },
  'src/errors.ts': { ours: [], packages: [], node: false },
  'src/gone.ts': { ours: [], packages: [], node: false },
  'src/text-within.ts': { ours: [], packages: [], node: false },
  'src/timers.ts': { ours: ['src/errors.ts'], packages: [], node: false },
  'src/random.ts': { ours: [], packages: [], node: false },
  'src/time-ordered-id.ts': { ours: [], packages: [], node: DIGEST },
  'src/visible-text.ts': { ours: [], packages: [], node: false },
  'src/bearer-token.ts': { ours: [], packages: [], node: DIGEST },
  'src/package-folder.ts': {
    ours: ['src/errors.ts'],
    packages: [],
    node: ['node:fs', 'node:path', 'node:url'],
  },
  'src/fault-log.ts': { ours: ['src/core/log/redact.ts'], packages: [], node: false },
  'src/openai': {
    ours: ['src/errors.ts'],
    packages: ['zod'],
    // decoding is a pure function
    node: ['node:util', 'node:zlib'],
  },
  'src/core': CORE,
  'src/core/answer': {
    ...CORE,
    packages: ['ajv', 'ajv-formats', 're2js', 'lru-cache'],
  },
  // knows no file, store or scan, and no route
  'src/core/cache': {
    ...CORE,
    ours: [
      'src/core/cost',
      'src/core/detect/building/mask.ts',
      'src/core/figure-text.ts',
      'src/core/group-by.ts',
      'src/core/json.ts',
      'src/core/lists.ts',
      'src/core/log',
      'src/core/request',
      'src/core/rollout/population.ts',
      'src/core/template',
      'src/openai',
    ],
  },
  // knows other programs' logs, and nothing of ours
  'src/core/log/forms': {
    ours: ['src/openai/chat.ts', 'src/openai/fields.ts'],
    packages: [],
    node: false,
  },
  // knows lists and counts, and no other part of the core: an encoder beside it needs its types alone
  'src/core/form': {
    ours: ['src/core/bisect.ts', 'src/core/counts.ts', 'src/core/lists.ts'],
    packages: [],
    node: false,
  },
  'src/core/learn': { ...CORE, packages: ['minisearch'] },
  'src/engine': { ours: ['src/openai', 'src/errors.ts'], packages: [], node: false },
  'src/store/store.ts': { ours: ['src/core'], packages: [], node: false },
  'src/store/json-snapshot.ts': { ours: ['src/store/store.ts'], packages: [], node: false },
  // knows no database
  'src/store/log': {
    ours: ['src/core', 'src/openai', 'src/store/store.ts', 'src/errors.ts', 'src/random.ts'],
    packages: ['lru-cache', 'gpt-tokenizer'],
    node: ['node:timers/promises', 'node:zlib'],
  },
  // knows drizzle's calls, and neither database
  'src/store/common': {
    ours: ['src/core', 'src/store/log', 'src/store/store.ts', 'src/errors.ts'],
    packages: ['drizzle-orm', 'lru-cache'],
    node: ['node:util'],
  },
  'src/store/sqlite': { ...STORE, packages: ['drizzle-orm', '@libsql/client'] },
  'src/store/postgres': {
    ...STORE,
    ours: [...STORE.ours, 'src/config/database-url.ts'],
    packages: ['drizzle-orm', 'pg'],
  },
  // the one place that knows both databases
  'src/store/move': {
    ours: ['src/store', 'src/core', 'src/errors.ts', 'src/config/database-url.ts'],
    packages: ['drizzle-orm'],
    node: DIGEST,
  },
  'src/store/thread': {
    ours: ['src/store', 'src/errors.ts'],
    packages: [],
    node: ['node:worker_threads'],
  },
  'src/lifecycle': {
    ours: [
      'src/core',
      'src/openai',
      'src/store/json-snapshot.ts',
      'src/store/store.ts',
      'src/errors.ts',
      'src/package-folder.ts',
    ],
    packages: [],
    node: ['node:crypto', 'node:util'],
  },
  'src/savings': {
    ours: ['src/core', 'src/store/json-snapshot.ts', 'src/store/store.ts'],
    packages: ['lru-cache'],
    node: false,
  },
  'src/proxy': {
    ours: [
      'src/core',
      'src/openai',
      'src/errors.ts',
      'src/fault-log.ts',
      'src/engine/engine.ts',
      'src/timers.ts',
    ],
    packages: ['hono', '@hono/node-server', 'undici', 'lru-cache', 'prom-client'],
    node: true,
  },
  'src/tracing': {
    ours: ['src/core', 'src/openai'],
    packages: [
      '@opentelemetry/api',
      '@opentelemetry/core',
      '@opentelemetry/exporter-trace-otlp-http',
      '@opentelemetry/resources',
      '@opentelemetry/sdk-trace-base',
    ],
    node: false,
  },
  'src/worker': {
    ours: [
      'src/core',
      'src/store/json-snapshot.ts',
      'src/store/store.ts',
      'src/lifecycle',
      'src/savings/economics.ts',
      'src/savings/caches.ts',
      'src/savings/base-model.ts',
      'src/savings/model-proof.ts',
      'src/engine',
      'src/openai',
      'src/errors.ts',
      'src/fault-log.ts',
      'src/text-within.ts',
    ],
    packages: [],
    node: DIGEST,
  },
  // processes and endpoints of the operator
  'src/check': {
    ours: [
      'src/config/config.ts',
      'src/errors.ts',
      'src/openai/fields.ts',
      'src/process',
      'src/text-within.ts',
      'src/worker/deps.ts',
    ],
    packages: [],
    node: true,
  },
  'src/models': { ours: ['src/errors.ts', 'src/openai/fields.ts'], packages: ['zod'], node: true },
  // what is shown of a template, an internalization, a record: one shape for API, command line and page
  'src/views': {
    ours: [
      'src/core',
      'src/store/json-snapshot.ts',
      'src/store/store.ts',
      'src/lifecycle',
      'src/savings',
      'src/openai',
      'src/errors.ts',
    ],
    packages: ['@hono/zod-openapi'],
    node: false,
  },
  'src/admin': {
    ours: [
      'src/core',
      'src/store/json-snapshot.ts',
      'src/store/store.ts',
      'src/lifecycle',
      'src/savings',
      'src/views',
      'src/openai',
      'src/errors.ts',
    ],
    packages: ['hono', '@hono/zod-openapi', 'zod', 'lru-cache'],
    node: DIGEST,
  },
  'src/admin/page': {
    ours: [
      'src/admin/deps.ts',
      'src/admin/access',
      'src/core',
      'src/store/json-snapshot.ts',
      'src/store/store.ts',
      'src/lifecycle',
      'src/savings',
      'src/views',
      'src/openai',
      'src/errors.ts',
    ],
    packages: ['hono', '@hono/node-server', 'diff', 'lru-cache'],
    node: DIGEST,
  },
  // pieces of a view, which a page of the command line is made of too: they know no session and no address
  'src/admin/page/parts': {
    ours: ['src/core', 'src/views/facts.ts', 'src/views/say-state.ts'],
    packages: ['hono', 'diff'],
    node: false,
  },
  // the files that it serves, of its own folder and of two packages
  'src/admin/page/assets.ts': {
    ours: ['src/package-folder.ts'],
    packages: [],
    node: ['node:crypto', 'node:fs', 'node:module', 'node:path', 'node:zlib'],
  },
  'src/config': {
    ours: ['src/core', 'src/errors.ts', 'src/openai/usage/usage.ts'],
    packages: ['zod'],
    node: true,
  },
  'src/config/config.ts': {
    ours: [
      'src/config/constants.ts',
      'src/config/database-url.ts',
      'src/config/environment.ts',
      'src/config/settings.ts',
      'src/core',
    ],
    packages: [],
    node: false,
  },
  'src/config/settings.ts': { ours: ['src/config/environment.ts'], packages: [], node: false },
  'src/config/database-url.ts': { ours: [], packages: [], node: false },
  'src/config/environment.ts': {
    ours: [
      'src/config/constants.ts',
      'src/config/database-url.ts',
      'src/core',
      'src/errors.ts',
      'src/gone.ts',
    ],
    packages: ['zod'],
    node: false,
  },
  'src/process': { ours: [], packages: [], node: true },
  'src/process/log-line.ts': {
    ours: ['src/openai/fields.ts', 'src/visible-text.ts'],
    packages: [],
    node: false,
  },
  'src/process/logger.ts': {
    ours: ['src/config/config.ts', 'src/process/log-line.ts'],
    packages: ['pino'],
    node: false,
  },
  'src/process/open-faults.ts': {
    ours: ['src/process', 'src/fault-log.ts', 'src/proxy/metrics/tally.ts'],
    packages: ['prom-client'],
    node: false,
  },
  'src/server': {
    ours: ['src'],
    packages: ['hono', '@hono/node-server', 'prom-client'],
    node: true,
  },
  'src/server/app.ts': {
    ours: ['src/proxy', 'src/openai', 'src/errors.ts'],
    packages: ['hono'],
    node: false,
  },
  'adapters/host': {
    ours: [
      'src/core/learn/acceptor.ts',
      'src/core/learn/head',
      'src/core/learn/softmax-head.ts',
      'src/core/learn/text-head.ts',
      'src/random.ts',
      'src/openai',
      'src/errors.ts',
      'src/bearer-token.ts',
      'src/fault-log.ts',
      'src/process/log-line.ts',
      'src/process/supervise.ts',
    ],
    packages: ['hono', 'zod', '@hono/node-server', 'lru-cache'],
    node: true,
  },
  'adapters/fake': {
    ours: ['adapters/host', 'src/openai', 'src/errors.ts', 'src/process/supervise.ts'],
    packages: ['hono', '@hono/node-server'],
    node: true,
  },
  // chats, tokens and constraints; knows no weights
  'adapters/text': {
    ours: ['adapters/host/backend.ts', 'src/openai', 'src/errors.ts'],
    packages: ['@huggingface/jinja', '@huggingface/tokenizers', 'lru-cache'],
    node: DIGEST,
  },
  // a base model's files; knows nothing of computing
  'adapters/model': {
    ours: ['adapters/text', 'src/errors.ts'],
    packages: ['@huggingface/gguf'],
    node: ['node:crypto', 'node:fs', 'node:path'],
  },
  // a base model and its loras behind the contract; knows no way to train or to serve
  'adapters/lora': {
    ours: [
      'adapters/host',
      'adapters/model',
      'adapters/text',
      'src/openai',
      'src/errors.ts',
      'src/random.ts',
    ],
    packages: [],
    node: true,
  },
  // trains by `adapters/trainer`, or an operator's command; serves by vLLM
  'adapters/gpu': {
    ours: [
      'adapters/host',
      'adapters/lora',
      'adapters/model',
      'adapters/onnx/label-heads.ts',
      'adapters/text',
      'src/openai',
      'src/errors.ts',
      'src/gone.ts',
      'src/package-folder.ts',
      'src/process/signal-group.ts',
      'src/process/supervise.ts',
      'src/random.ts',
      'src/text-within.ts',
      'src/timers.ts',
    ],
    packages: ['undici', 'zod'],
    node: true,
  },
  'adapters/onnx': {
    ours: [
      'adapters/host',
      'adapters/lora',
      'adapters/model',
      'adapters/text',
      'src/core/form',
      'src/core/group-by.ts',
      'src/core/learn/field-acceptor.ts',
      'src/core/learn/head',
      'src/core/answer/request-sources.ts',
      'src/openai',
      'src/errors.ts',
      'src/random.ts',
      'src/process/supervise.ts',
    ],
    packages: [
      'onnxruntime-node',
      'onnx-proto',
      '@huggingface/tokenizers',
      'hono',
      '@hono/node-server',
      'lru-cache',
    ],
    node: true,
  },
}

/**
 * Place beside the program → the places that its files may import, beside its own. What tests, benches
 * and the demo share is in `test/kit`; `bench` and `models/make` are the laboratory.
 */
const LABORATORY: Record<string, string[]> = {
  'test/kit': EVERYTHING,
  'models/make': ['test/kit', ...EVERYTHING],
  demo: ['models/make', 'test/kit', ...EVERYTHING],
  test: ['demo', 'test/kit', ...EVERYTHING],
  bench: ['test/kit', ...EVERYTHING],
  'bench/test': ['bench', 'models/make', 'test/kit', ...EVERYTHING],
}

/** Places whose files and folders import in one direction. */
const ORDERED = ['src', 'test/kit', 'bench', 'models/make', 'demo']

const MAX_FILES_IN_A_FOLDER = 15

const filesUnder = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    // what is installed there is not ours
    .filter((file) => !file.includes('/packages/'))

const isWithin = (file: string, place: string): boolean =>
  file === place || file.startsWith(`${place}/`)

const ruleFor = (file: string): [string, Rule] | undefined =>
  Object.entries(RULES)
    .filter(([place]) => isWithin(file, place))
    .sort(([one], [other]) => other.length - one.length)[0]

const importsOf = (file: string): string[] =>
  [
    ...readFileSync(join(root, file), 'utf8').matchAll(
      /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s+['"]([^'"]+)['"]/g
    ),
  ].map((match) => (match[1] ?? match[2] ?? match[3])!)

const packageName = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

const violation = (file: string, specifier: string): string | null => {
  const found = ruleFor(file)
  if (!found) return `${file} has no rule`
  const [place, rule] = found
  if (specifier.startsWith('node:')) {
    const allowed = Array.isArray(rule.node) ? rule.node.includes(specifier) : rule.node
    return allowed ? null : `${file} imports ${specifier}`
  }
  if (!specifier.startsWith('.')) {
    return rule.packages.includes(packageName(specifier)) ? null : `${file} imports ${specifier}`
  }
  const target = targetOf(file, specifier)
  const allowed = [place, ...rule.ours]
  return allowed.some((folder) => isWithin(target, folder)) ? null : `${file} imports ${target}`
}

const targetOf = (file: string, specifier: string): string =>
  relative(root, resolve(root, dirname(file), specifier))

type Arrow = [from: string, to: string]

/**
 * An import as an arrow between two neighbours: the file or folder within the deepest folder that
 * holds both ends, from the side of each.
 */
const arrowOf = (from: string, to: string): Arrow => {
  const [one, other] = [from.split('/'), to.split('/')]
  const shared = one.findIndex((part, at) => part !== other[at])
  return [one.slice(0, shared + 1).join('/'), other.slice(0, shared + 1).join('/')]
}

/** Places that cannot be put in an order in which every arrow leads forward. */
const circular = (arrows: Arrow[]): string[] => {
  let left = arrows
  for (;;) {
    const origins = new Set(left.map(([from]) => from))
    const next = left.filter(([, to]) => origins.has(to))
    if (next.length === left.length) return [...origins].sort()
    left = next
  }
}

/** The longest of the places that holds the file. */
const placeOf = (file: string): string | undefined =>
  [...Object.keys(LABORATORY), ...EVERYTHING]
    .filter((place) => isWithin(file, place))
    .sort((one, other) => other.length - one.length)[0]

/** An import between the places of the laboratory and of the tests that leads back; null if none. */
const wayBack = (file: string, specifier: string): string | null => {
  if (!specifier.startsWith('.')) return null
  const place = placeOf(file)!
  const target = targetOf(file, specifier)
  const to = placeOf(target)
  const isAllowed = to === place || (to !== undefined && LABORATORY[place]!.includes(to))
  return isAllowed ? null : `${file} imports ${target}`
}

/** What a process, a socket, a database or a native model is made with. */
const EFFECTS =
  /^(node:(child_process|http|https|net|tls|worker_threads)|@libsql\/.*|pg|onnxruntime-node)$/

const valueImportsOf = (file: string): string[] =>
  [
    ...readFileSync(join(root, file), 'utf8').matchAll(
      /(?:^|\n)\s*(?:import|export)\s(?!type\s)[^'"]*?from\s+['"]([^'"]+)['"]|(?:^|\n)import\s+['"]([^'"]+)['"]/g
    ),
  ].map((match) => (match[1] ?? match[2])!)

/** All files that a file loads, with what each loads that has effects. */
const effectsOf = (file: string, seen = new Set<string>()): string[] => {
  if (seen.has(file) || !/\.tsx?$/.test(file)) return []
  seen.add(file)
  return valueImportsOf(file).flatMap((specifier) => {
    if (specifier.startsWith('.')) return effectsOf(targetOf(file, specifier), seen)
    return EFFECTS.test(specifier) ? [`${file} loads ${specifier}`] : []
  })
}

const mayImportAdapters = (file: string): boolean =>
  file === 'src/opening.ts' || file.startsWith('src/cli')

describe('import rule', () => {
  const files = [...filesUnder('src'), ...filesUnder('adapters')]

  it('is kept by every file', () => {
    expect(files.length).toBeGreaterThan(5)
    const violations = files.flatMap((file) =>
      importsOf(file).flatMap((specifier) => violation(file, specifier) ?? [])
    )
    expect(violations).toEqual([])
  })

  it('leaves no circle among the files and folders of any folder', () => {
    const arrows = ORDERED.flatMap(filesUnder).flatMap((file) =>
      importsOf(file)
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => arrowOf(file, targetOf(file, specifier)))
    )
    expect(arrows.length).toBeGreaterThan(100)
    expect(circular(arrows)).toEqual([])
    const circle: Arrow[] = ['ab', 'bc', 'cb', 'cd'].map((pair) => [pair[0]!, pair[1]!])
    expect(circular(circle)).toContain('b')
    expect(arrowOf('src/a/b/x.ts', 'src/a/c.ts')).toEqual(['src/a/b', 'src/a/c.ts'])
  })

  it('leads one way between tests, benches, demo and what they share', () => {
    const all = ['test', 'bench', 'demo', 'models/make'].flatMap(filesUnder)
    const back = all.flatMap((file) =>
      importsOf(file).flatMap((specifier) => wayBack(file, specifier) ?? [])
    )
    expect(back).toEqual([])
    expect(wayBack('test/unit/x.test.ts', '../../bench/task.ts')).not.toBeNull()
    expect(wayBack('test/kit/x.ts', '../proxy/x.ts')).not.toBeNull()
    expect(wayBack('bench/x.ts', '../test/proxy/x.ts')).not.toBeNull()
    expect(wayBack('bench/x.ts', './test/x.ts')).not.toBeNull()
    expect(wayBack('bench/test/x.test.ts', '../task.ts')).toBeNull()
    expect(wayBack('demo/x.ts', '../test/kit/report.ts')).toBeNull()
  })

  it('loads neither database with what both use', () => {
    const loaded = filesUnder('src/store/common').flatMap(valueImportsOf)
    expect(loaded).toContain('drizzle-orm')
    expect(loaded.filter((specifier) => specifier.startsWith('drizzle-orm/'))).toEqual([])
  })

  it('keeps a pure test pure', () => {
    const effects = filesUnder('test/unit').flatMap((file) =>
      effectsOf(file).map((effect) => `${file}: ${effect}`)
    )
    expect(effects).toEqual([])
    expect(effectsOf('test/kit/proxy/harness.ts')).toContain(
      'test/kit/proxy/harness.ts loads node:http'
    )
  })

  it('keeps folders small enough to read at a glance', () => {
    const folders = ORDERED.flatMap(filesUnder)
      .map((file) => dirname(file))
      // one script a question
      .filter((folder) => folder !== 'bench')
    const counts = [...new Set(folders)].map((folder) => ({
      folder,
      files: folders.filter((one) => one === folder).length,
    }))
    expect(counts.filter((count) => count.files > MAX_FILES_IN_A_FOLDER)).toEqual([])
  })

  it('sees a forbidden import', () => {
    expect(violation('src/core/x.ts', '../store/store.ts')).toContain('src/store/store.ts')
    expect(violation('src/proxy/x.ts', '../store/store.ts')).not.toBeNull()
    expect(violation('src/core/x.ts', 'node:fs')).not.toBeNull()
    expect(violation('src/store/postgres/x.ts', '../sqlite/local.ts')).not.toBeNull()
    expect(violation('src/store/common/x.ts', '../sqlite/local.ts')).not.toBeNull()
    expect(violation('src/store/log/x.ts', 'pg')).not.toBeNull()
    expect(violation('src/nowhere.ts', './errors.ts')).toContain('no rule')
    expect(violation('adapters/fake/x.ts', 'onnxruntime-node')).not.toBeNull()
  })

  it('loads spans and tokenizers only where they are needed', () => {
    const eager =
      /^import (?!type\b)[^'"]*['"](?:@opentelemetry\/|gpt-tokenizer|[./]*tracing\/start\.ts|\.\/start\.ts)/m
    const offenders = filesUnder('src').filter(
      (file) =>
        file !== 'src/tracing/start.ts' && eager.test(readFileSync(join(root, file), 'utf8'))
    )
    expect(offenders).toEqual([])
    expect(eager.test("import { startTracing } from './tracing/start.ts'")).toBe(true)
  })

  it('loads Hono’s listener, which replaces the global Response, in few places', () => {
    const loading = ['src', 'adapters', 'test']
      .flatMap(filesUnder)
      .filter((file) => valueImportsOf(file).includes('@hono/node-server'))
    // two load the proxy's mark before it, and the third is a process without a proxy
    expect(loading.sort()).toEqual([
      'adapters/host/host.ts',
      'src/server/http-server.ts',
      'test/kit/vllm/stand-in-process.ts',
    ])
  })

  it('lets only the composition root and the CLI import adapters', () => {
    const offenders = filesUnder('src').filter(
      (file) =>
        !mayImportAdapters(file) && importsOf(file).some((name) => name.includes('adapters/'))
    )
    expect(offenders).toEqual([])
  })
})
