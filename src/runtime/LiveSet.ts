/**
 * What is under way: members that come and go all the time, such as calls, fibers, transactions. A `Map` or `Set` does not
 * suit: V8 makes it a new table every few members, and lets the old table point to the new one and to what it held. Once
 * a table has grown old, every later one, and every call that any of them held, survives to the next full collection;
 * measured with calls of an endorser, 25 KiB each and a quarter of its CPU. What follows keeps nothing of who has left.
 * Pure.
 */

/** A member's place; how it leaves. */
export interface Place<A> {
  value: A | undefined
  previous: Place<A> | undefined
  next: Place<A> | undefined
}

/** Members in the order of their coming: a linked list. */
export class LiveSet<A> {
  private readonly end: Place<A> = { value: undefined, previous: undefined, next: undefined }
  private members = 0

  get size(): number {
    return this.members
  }

  add(value: A): Place<A> {
    const { end } = this
    const last = end.previous ?? end
    const place: Place<A> = { value, previous: last, next: end }
    last.next = place
    end.previous = place
    this.members += 1
    return place
  }

  /** Forgets a member; a second time does nothing. */
  delete(place: Place<A>): void {
    const { next, previous } = place
    if (previous === undefined || next === undefined || place === this.end) return
    previous.next = next
    next.previous = previous
    place.value = undefined
    place.previous = undefined
    place.next = undefined
    this.members -= 1
  }

  /** Those who are there now. */
  all(): Array<A> {
    const found: Array<A> = []
    for (let place = this.end.next; place !== undefined && place !== this.end; place = place.next)
      if (place.value !== undefined) found.push(place.value)
    return found
  }
}

/** Members by key: what an old table still holds is a key and an emptied cell. */
export class LiveMap<A> {
  private readonly cells = new Map<string, { value: A | undefined }>()

  get size(): number {
    return this.cells.size
  }

  get(key: string): A | undefined {
    return this.cells.get(key)?.value
  }

  /** False when there is a member of that key already: it stays. */
  add(key: string, value: A): boolean {
    if (this.cells.has(key)) return false
    this.cells.set(key, { value })
    return true
  }

  delete(key: string): void {
    const cell = this.cells.get(key)
    if (cell === undefined) return
    cell.value = undefined
    this.cells.delete(key)
  }

  /** Those who are there now. */
  all(): Array<A> {
    const found: Array<A> = []
    for (const { value } of this.cells.values()) if (value !== undefined) found.push(value)
    return found
  }
}
