/* All functions of one instruction set and precision; precisions.h includes this file once for each. */
#include "vectors.h"
#include "model.h"
#include "layer.h"
#include "scan.h"
#include "readout.h"
#include "training.h"

static const struct kernels NAME(kernels) = {TEXT(ISA), NAME(forward), NAME(adjoint), NAME(jacobian), NAME(train)};

#undef LANES
#undef vector
#undef mask
#undef loose
#undef choice
#undef MM512
#undef work
#undef trainer
#undef EACH_LANE
#undef SHUFFLE
#undef NEAR
#undef FAR
#undef FOLD
#undef FORWARD_UNITS
#undef FORWARD_COUNT
#undef ADJOINT_UNITS
#undef ADJOINT_COUNT
#undef NARROW_COUNT
#undef STEPS
#undef READ_COUNT
#undef BOTH
#undef ADJOINT
#undef SIZE
#undef CHOOSE
