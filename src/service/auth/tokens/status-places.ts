import { Injectable } from '@nestjs/common';
import { LIST_LENGTH, shuffledPlaces } from '../../../credentials/status-list.js';
import { Keys } from '../../keys.js';

/** Half a MiB each. Those that tokens are made for, and that are asked for, are few. */
const MOST_KEPT = 8;

/** Which place in the status lists a token gets, in the order of their numbers in the database. All replicas agree on it. */
@Injectable()
export class StatusPlaces {
  private readonly kept = new Map<number, Uint32Array>();

  constructor(private readonly keys: Keys) {}

  /** The place of the nth token of all, counted through all lists. */
  of(nth: number): number {
    const list = Math.floor(nth / LIST_LENGTH);
    return list * LIST_LENGTH + (this.ofList(list)[nth % LIST_LENGTH] as number);
  }

  /** The places in a list, of its tokens in order. */
  ofList(list: number): Uint32Array {
    const places = this.kept.get(list) ?? shuffledPlaces(this.keys.places, list);
    this.kept.delete(list);
    this.kept.set(list, places);
    const [oldest] = this.kept.keys();
    if (this.kept.size > MOST_KEPT && oldest !== undefined) this.kept.delete(oldest);
    return places;
  }
}
