/* Puts the wall clock of a program forward by AHEAD seconds: LD_PRELOAD it. Unlike libfaketime it shares nothing
   between processes, whose semaphores fail where many start at once. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/time.h>
#include <time.h>

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(real))dlsym(RTLD_NEXT, #name)

/* Deadlines of the wall clock, which the program has computed from its own, are so large; monotonic ones are not. */
static struct timespec back(const struct timespec *deadline) {
  struct timespec moved = *deadline;
  if (moved.tv_sec > 1000000000 + AHEAD) moved.tv_sec -= AHEAD;
  return moved;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  REAL(clock_gettime);
  int result = real(clock, now);
  if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += AHEAD;
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  REAL(gettimeofday);
  int result = real(now, zone);
  if (!result && now) now->tv_sec += AHEAD;
  return result;
}

time_t time(time_t *now) {
  REAL(time);
  time_t moved = real(NULL) + AHEAD;
  if (now) *now = moved;
  return moved;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict deadline) {
  REAL(pthread_cond_timedwait);
  struct timespec moved = back(deadline);
  return real(cond, mutex, &moved);
}

int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict deadline) {
  REAL(sem_timedwait);
  struct timespec moved = back(deadline);
  return real(sem, &moved);
}
