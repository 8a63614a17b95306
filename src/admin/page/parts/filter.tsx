/** Filters of a list: a form that is an address, so that what it shows can be kept and sent. */
import type { Child } from 'hono/jsx'
import { visibleText } from './visible-text.ts'

export interface FilterProps {
  /** address of the list without a filter */
  path: string
  isFiltered: boolean
  children?: Child
}

export const Filter = ({ path, isFiltered, children }: FilterProps) => (
  <form method="get" action={path} class="filter" role="search">
    {children}
    <button>Filter</button>
    {isFiltered && <a href={path}>Show all</a>}
  </form>
)

export interface FieldProps {
  name: string
  label: string
  value: string
}

const idOf = (name: string): string => `filter-${name}`

export const TextFilter = ({ name, label, value }: FieldProps) => (
  <div>
    <label for={idOf(name)}>{label}</label>
    <input id={idOf(name)} name={name} value={value} autocomplete="off" maxlength={200} />
  </div>
)

/** @param value `2026-11-29T10:00`, in UTC */
export const TimeFilter = ({ name, label, value }: FieldProps) => (
  <div>
    <label for={idOf(name)}>{label}</label>
    <input id={idOf(name)} name={name} type="datetime-local" value={value} />
  </div>
)

/** @param options values with their words; the value '' shows all */
export const ChoiceFilter = ({
  name,
  label,
  value,
  options,
}: FieldProps & { options: [value: string, words: string][] }) => (
  <div>
    <label for={idOf(name)}>{label}</label>
    <select id={idOf(name)} name={name}>
      {[['', 'all'] as const, ...options].map(([option, words]) => (
        <option value={option} selected={option === value}>
          {visibleText(words)}
        </option>
      ))}
    </select>
  </div>
)

export interface PagerProps {
  /** where one is */
  said?: string
  /** words and address of each link; null: there is none */
  links: [words: string, address: string | null][]
}

/** To the other pages of a list; nothing where there is only one and nothing is said. */
export const Pager = ({ said, links }: PagerProps) => {
  const known = links.flatMap(([words, address]) =>
    address === null ? [] : [<a href={address}>{words}</a>]
  )
  if (said === undefined && known.length === 0) return null
  return (
    <nav aria-label="Pages" class="pager">
      {said !== undefined && <span>{said}</span>}
      {known}
    </nav>
  )
}
