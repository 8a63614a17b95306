/** How the page looks and listens in one browser, kept by it as a cookie. No account has them. */
import { getCookie, setCookie } from 'hono/cookie'
import type { Context } from 'hono'
import { BASE } from './env.ts'

export const THEMES = ['system', 'light', 'dark'] as const

export interface Preferences {
  theme: (typeof THEMES)[number]
  /** whether single keys do something */
  hasKeys: boolean
}

const COOKIE = 'promptintern-view'
const NO_KEYS = 'no-keys'
const YEAR_SECONDS = 31_536_000

/** @returns the usual ones for a cookie that says something else */
export const preferencesOf = (context: Context): Preferences => {
  const [theme, keys] = (getCookie(context, COOKIE) ?? '').split('.')
  return { theme: THEMES.find((known) => known === theme) ?? 'system', hasKeys: keys !== NO_KEYS }
}

export const keepPreferences = (context: Context, { theme, hasKeys }: Preferences): void =>
  setCookie(context, COOKIE, hasKeys ? theme : `${theme}.${NO_KEYS}`, {
    path: BASE,
    httpOnly: true,
    sameSite: 'Strict',
    maxAge: YEAR_SECONDS,
  })
