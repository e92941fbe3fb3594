#define BOOST_TEST_MODULE repasse_unit
#include <boost/test/unit_test.hpp>
