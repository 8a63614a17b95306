#!/usr/bin/env node
/**
 * The command `promptintern`. A file that is there before a build, since npm links a command when it is first
 * called and never looks again.
 */
import { existsSync, readFileSync } from 'node:fs'

const inPackage = (path) => new URL(`../${path}`, import.meta.url)

const isVersion = (words) => words.length === 1 && words[0] === '--version'

if (existsSync(inPackage('dist/src/cli.js'))) {
  await import('../dist/src/cli.js')
} else if (isVersion(process.argv.slice(2))) {
  console.log(JSON.parse(readFileSync(inPackage('package.json'), 'utf8')).version)
} else {
  console.error('promptintern is not built: run  npm ci && npm run build  in its folder')
  process.exitCode = 1
}
