/** Finds the node of any JSON values. */
import type { FormNode } from '../form.ts'
import { choiceOf } from './closed-set.ts'
import { inferList, type ListEntry } from './infer-list.ts'
import { inferObject, type ObjectEntry } from './infer-object.ts'
import { inferScalars, withOthers } from './infer-scalars.ts'
import type { Entry, Search } from './search.ts'

/** Objects or lists in fewer of the rows are left unexplained. */
const MIN_SHARE = 0.005

const isObject = (entry: Entry): entry is ObjectEntry => entry.value?.kind === 'object'
const isList = (entry: Entry): entry is ListEntry => entry.value?.kind === 'list'

/** One node of several: scalars are tried first, then objects, then lists. */
const either = (nodes: readonly FormNode[]): FormNode =>
  choiceOf(nodes.flatMap((node) => (node.kind === 'choice' ? node.branches : [node])))

/** The node that explains most of the entries. */
export const inferValue = (entries: readonly Entry[], search: Search): FormNode => {
  const objects = entries.filter(isObject)
  const lists = entries.filter(isList)
  const scalars = entries.filter((entry) => !isObject(entry) && !isList(entry))
  if (scalars.length === entries.length) return inferScalars(entries, search)
  const least = MIN_SHARE * entries.length
  const nodes: FormNode[] = []
  if (objects.length > least)
    nodes.push(inferObject(objects, (members) => inferValue(members, search)))
  if (lists.length > least) nodes.push(inferList(lists, search))
  const present = scalars.filter(({ value }) => value !== undefined)
  // an open set of scalars beside objects is rare: "string or list of strings"
  if (present.length > least * 20 && nodes.length > 0)
    return either([inferScalars(scalars, search), ...nodes])
  return withOthers(either(nodes), scalars, entries.length)
}
