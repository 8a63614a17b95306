import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { parseDatabaseUrl } from '../../src/config/database-url.ts'

const PASSWORD = 'correct-horse'

const serverOf = (text: string) => {
  const parsed = parseDatabaseUrl(text)
  return 'server' in parsed ? parsed.server : parsed.mistake
}

const mistakeOf = (text: string): string => {
  try {
    parseConfig({ DATABASE_URL: text })
  } catch (error) {
    return (error as Error).message
  }
  return ''
}

describe('the URL of a database', () => {
  it('says who connects to what, and verifies the server unless it is on this machine', () => {
    expect(serverOf('postgres://me:p%40ss%2Fword@db.example:6432/my%20log')).toEqual({
      host: 'db.example',
      port: 6432,
      database: 'my log',
      user: 'me',
      password: 'p@ss/word',
      tls: 'verify-full',
      caFile: null,
      bindsChannel: false,
    })
    expect(serverOf('postgresql://127.0.0.1/log')).toMatchObject({
      host: '127.0.0.1',
      port: 5432,
      user: null,
      password: null,
      tls: 'disable',
    })
    expect(serverOf('postgres://[::1]/log')).toMatchObject({
      host: '::1',
      port: 5432,
      tls: 'disable',
    })
    expect(serverOf('postgres:///log?host=/run/postgresql&user=me')).toMatchObject({
      host: '/run/postgresql',
      port: 5432,
      user: 'me',
      tls: 'disable',
    })
  })

  it.each([
    ['sslmode=disable', 'disable', null],
    ['sslmode=require', 'verify-full', null],
    ['sslmode=verify-ca&sslrootcert=/other', 'verify-ca', '/other'],
    ['', 'verify-full', null],
  ])('with %s has %s', (query, tls, caFile) => {
    expect(serverOf(`postgres://db.example/log?${query}`)).toMatchObject({ tls, caFile })
  })

  it.each([
    ['postgres:/me@db/log', 'postgres://user:password@host:5432/database'],
    [`http://me:${PASSWORD}@db/log`, 'postgres://user:password@host:5432/database'],
    [`postgres//me:${PASSWORD}@db/log`, 'postgres://user:password@host:5432/database'],
    [`postgres://me:${PASSWORD}@db:54x2/log`, 'postgres://user:password@host:5432/database'],
    [`postgres://me:${PASSWORD}@db`, 'one database'],
    [`postgres://me:${PASSWORD}@db1,db2/log`, 'must have one host'],
    [`postgres://me:${PASSWORD}@db1:5432,db2:5432/log`, 'must have one host'],
    [`postgres://me:${PASSWORD}@/log`, 'postgres://user:password@host:5432/database'],
    ['postgres:///log', 'with a host'],
    ['postgres:///log?host=db1,db2', 'must have one host'],
    [`postgres://me:${PASSWORD}@db/log?target_session_attrs=any`, 'target_session_attrs'],
    [`postgres://me:${PASSWORD}%zz@db/log`, '%25'],
    [`postgres://me:${PASSWORD}@db/log?sslmod=disable`, 'unknown parameter sslmod'],
    [`postgres://me:${PASSWORD}@db/log?sslmode=prefer`, 'plain text'],
    [`postgres://me:${PASSWORD}@db/log?sslmode=constructor`, 'plain text'],
    [`postgres://me@db/log#${PASSWORD}`, '%23'],
  ])('with a typo is refused with what is expected, and not repeated: %s', (text, expected) => {
    const mistake = mistakeOf(text)
    expect(mistake).toContain('DATABASE_URL: ')
    expect(mistake).toContain(expected)
    expect(mistake).not.toContain(PASSWORD)
    expect(mistake).not.toContain('db')
  })
})
