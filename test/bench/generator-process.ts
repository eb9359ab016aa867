import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import type { Job, Report, Result } from './job.js';

const PROGRAM = path.join(import.meta.dirname, 'generator.js');

/** What the bench is told while a job runs. */
export interface Follower {
  /** The warm-up is over. */
  measuring?(): void;
  /** The time is up, but connections are still open. */
  measured?(): void;
  /** About once a second. */
  progress?(done: number, seconds: number): void;
}

/** The process that makes the load. */
export class GeneratorProcess {
  private readonly child: ChildProcess = fork(PROGRAM, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });

  get pid(): number {
    return this.child.pid ?? 0;
  }

  perform(job: Job, follower: Follower = {}): Promise<Result> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => {
        this.child.off('message', hear).off('exit', gone);
        end();
      };
      const hear = (message: Report) => {
        if (message.report === 'measuring') follower.measuring?.();
        else if (message.report === 'measured') follower.measured?.();
        else if (message.report === 'progress') follower.progress?.(message.done, message.seconds);
        else if (message.report === 'result') settle(() => resolve(message.result));
        else settle(() => reject(new Error(message.problem)));
      };
      const gone = () => settle(() => reject(new Error('the generator ended')));
      this.child.on('message', hear).once('exit', gone);
      this.child.send(job);
    });
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}
